/** What a release of the chart left on a real API server, and an operator that is started as it says. */
import { CORE_SCHEMA, load } from "js-yaml";
import { fixedServer } from "../../src/kube/credentials.ts";
import { operatorConfig } from "../../src/main/operator-config.ts";
import { optionsOf } from "../../src/main/operator-process.ts";
import type { OperatorOptions } from "../../src/main/operator.ts";
import type { ControlPlane } from "./kubernetes.ts";

export interface ReleasedObject {
  readonly metadata: { readonly name: string; readonly uid: string };
  readonly data?: Readonly<Record<string, string>>;
}

/** Reads one object; rejects with kubectl's message where it is not there. */
export async function objectOf(plane: ControlPlane, namespace: string, name: string): Promise<ReleasedObject> {
  const { code, stdout, stderr } = await plane.kubectl(["get", name, "-n", namespace, "-o", "json"]);
  if (code !== 0) throw new Error(`kubectl get ${name} -n ${namespace} failed: ${stderr}`);
  return JSON.parse(stdout) as ReleasedObject;
}

/** `kind/name` of everything there that a chart may make. */
export async function namesIn(plane: ControlPlane, namespace: string): Promise<string[]> {
  const kinds =
    "deployment,service,configmap,secret,serviceaccount,role,rolebinding,persistentvolumeclaim,poddisruptionbudget,networkpolicy";
  const { code, stdout, stderr } = await plane.kubectl(["get", kinds, "-n", namespace, "-o", "name"]);
  if (code !== 0) throw new Error(`kubectl get -n ${namespace} failed: ${stderr}`);
  const names = stdout.trim().split("\n");
  // Helm's own records, and what the API server itself puts into each namespace.
  return names.filter((name) => name !== "" && !/^secret\/sh\.helm|^configmap\/kube-root-ca/.test(name)).toSorted();
}

/** The operator with the release's configuration, key and ServiceAccount: no right but the release's. */
export async function operatorOf(plane: ControlPlane, namespace: string): Promise<Partial<OperatorOptions>> {
  const [config, key, token] = await Promise.all([
    objectOf(plane, namespace, "configmap/weir-operator"),
    objectOf(plane, namespace, "secret/weir-worker-key"),
    plane.kubectl(["create", "token", "weir-operator", "-n", namespace]),
  ]);
  if (token.code !== 0) throw new Error(`kubectl create token failed: ${token.stderr}`);
  const text = config.data?.["operator.yaml"] ?? "";
  return {
    ...optionsOf(operatorConfig.parse(load(text, { schema: CORE_SCHEMA })), namespace),
    server: fixedServer(plane.url, { token: token.stdout.trim(), tls: { ca: plane.ca }, namespace }),
    tokenKeys: [Buffer.from(key.data?.["key"] ?? "", "base64").toString()],
    probes: undefined,
  };
}
