import { ageText, humanDuration } from "./duration-text.ts";
import { isMap, listAt, mapAt, textAt } from "./json-value.ts";
import type { JsonMap } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import type { Column } from "./resource.ts";
import type { Columns } from "./table.ts";

const define = (name: string, priority = 0): Column => ({
  name,
  type: "string",
  format: name === "Name" ? "name" : "",
  description: "",
  priority,
});

const statuses = (pod: KubeObject, field: string): JsonMap[] => listAt(pod["status"], field).filter(isMap);
const hasReadyCondition = (pod: KubeObject): boolean =>
  listAt(pod["status"], "conditions").some((c) => textAt(c, "type") === "Ready" && textAt(c, "status") === "True");

function exitText(terminated: JsonMap): string {
  const reason = textAt(terminated, "reason");
  if (reason !== "") return reason;
  const signal = Number(terminated["signal"] ?? 0);
  return signal === 0 ? `ExitCode:${String(terminated["exitCode"])}` : `Signal:${signal}`;
}

function containerReason(status: JsonMap): string {
  const { waiting, terminated } = mapAt(status, "state");
  if (isMap(waiting) && textAt(waiting, "reason") !== "") return textAt(waiting, "reason");
  return isMap(terminated) ? exitText(terminated) : "";
}

function statusText(pod: KubeObject): string {
  const phase = textAt(pod["status"], "reason") || textAt(pod["status"], "phase");
  if (pod.metadata.deletionTimestamp !== undefined) {
    return textAt(pod["status"], "reason") === "NodeLost" ? "Unknown" : "Terminating";
  }
  const all = statuses(pod, "containerStatuses");
  // The last container that says something wins, as in the real printer.
  const reason = all.map(containerReason).findLast((text) => text !== "") ?? phase;
  const isRunning = all.some((status) => status["ready"] === true && isMap(mapAt(status, "state")["running"]));
  if (reason !== "Completed" || !isRunning) return reason;
  return hasReadyCondition(pod) ? "Running" : "NotReady";
}

function restartsText(pod: KubeObject, now: number): string {
  const all = statuses(pod, "containerStatuses");
  const restarts = all.reduce((sum, status) => sum + Number(status["restartCount"] ?? 0), 0);
  const ends = all.map((status) => Date.parse(textAt(mapAt(mapAt(status, "lastState"), "terminated"), "finishedAt")));
  const last = Math.max(...ends.filter((at) => !Number.isNaN(at)));
  return restarts > 0 && Number.isFinite(last) ? `${restarts} (${humanDuration(now - last)} ago)` : String(restarts);
}

const orNone = (text: string): string => (text === "" ? "<none>" : text);

export const podColumns: Columns = {
  definitions: [
    define("Name"),
    define("Ready"),
    define("Status"),
    define("Restarts"),
    define("Age"),
    define("IP", 1),
    define("Node", 1),
    define("Nominated Node", 1),
    define("Readiness Gates", 1),
  ],
  cells: (pod, now) => {
    const ready = statuses(pod, "containerStatuses").filter(
      (status) => status["ready"] === true && isMap(mapAt(status, "state")["running"]),
    );
    return [
      pod.metadata.name,
      `${ready.length}/${listAt(pod["spec"], "containers").length}`,
      statusText(pod),
      restartsText(pod, now),
      ageText(pod.metadata.creationTimestamp, now),
      orNone(textAt(pod["status"], "podIP")),
      orNone(textAt(pod["spec"], "nodeName")),
      orNone(textAt(pod["status"], "nominatedNodeName")),
      "<none>",
    ];
  },
};
