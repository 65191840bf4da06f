import type { Call } from "./call.ts";
import { stored } from "./call.ts";
import type { PodLogRequest } from "./cluster.ts";
import { listAt, textAt } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import { StatusError, badRequest } from "./status-error.ts";

function containerOf(call: Call, pod: KubeObject): string {
  const names = [...listAt(pod["spec"], "containers"), ...listAt(pod["spec"], "initContainers")].map((c) =>
    textAt(c, "name"),
  );
  const asked = call.query.get("container") ?? "";
  const { name } = pod.metadata;
  if (asked !== "") {
    if (!names.includes(asked)) throw badRequest(`container ${asked} is not valid for pod ${name}`);
    return asked;
  }
  const [only = "", second] = listAt(pod["spec"], "containers").map((c) => textAt(c, "name"));
  if (second === undefined) return only;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${names.join(" ")}]`);
}

function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  return text === null || text === "" ? undefined : Number(text);
}

/** The log of a container, read from whoever runs the pods. */
export function podLog(call: Call): AsyncIterable<Uint8Array | string> {
  const pod = stored(call);
  const { query } = call;
  const container = containerOf(call, pod);
  if (textAt(pod["spec"], "nodeName") === "" || call.cluster.podLogs === undefined) {
    throw new StatusError(
      400,
      "BadRequest",
      `container "${container}" in pod "${call.name}" is waiting to start: no node runs it yet`,
    );
  }
  const request: PodLogRequest = {
    pod,
    container,
    follow: query.get("follow") === "true",
    previous: query.get("previous") === "true",
    timestamps: query.get("timestamps") === "true",
    tailLines: numberIn(query, "tailLines"),
    limitBytes: numberIn(query, "limitBytes"),
    sinceSeconds: numberIn(query, "sinceSeconds"),
    sinceTime: query.get("sinceTime") ?? undefined,
    signal: call.signal,
  };
  return call.cluster.podLogs(request);
}
