import { NotReadyError, type ObjectReader } from "./object-reader.ts";
import type { Container, EnvVar, Pod } from "./pod.ts";

/** The environment of a container's process: nothing of the kubelet's own leaks in but the search path. */
export async function containerEnvironment(
  pod: Pod,
  container: Container,
  { ip, reader }: { ip: string; reader: ObjectReader },
): Promise<Record<string, string>> {
  const env: Record<string, string> = { PATH: process.env["PATH"] ?? "", HOSTNAME: pod.metadata.name };
  for (const variable of container.env ?? []) {
    const value = await valueOf(variable, pod, { ip, reader });
    if (value !== undefined) env[variable.name] = expand(value, env);
  }
  return env;
}

/** `$(NAME)` refers to an earlier variable; `$$(` is a literal `$(` (Kubernetes' dependent environment variables). */
function expand(value: string, env: Readonly<Record<string, string>>): string {
  return value.replaceAll(/\$\$|\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g, (all, name: string | undefined) => {
    if (name === undefined) return "$";
    return env[name] ?? all;
  });
}

async function valueOf(
  variable: EnvVar,
  pod: Pod,
  { ip, reader }: { ip: string; reader: ObjectReader },
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (from === undefined) return variable.value ?? "";
  if (from.fieldRef !== undefined) return fieldOf(pod, from.fieldRef.fieldPath, ip);
  const ref = from.configMapKeyRef ?? from.secretKeyRef;
  if (ref === undefined) return "";
  const kind = from.configMapKeyRef === undefined ? "secret" : "configMap";
  const data = await reader[kind](pod.metadata.namespace, ref.name);
  const value = data?.[ref.key];
  if (value !== undefined) return value.toString("utf8");
  if (ref.optional === true) return undefined;
  throw new NotReadyError(
    "CreateContainerConfigError",
    data === undefined
      ? `${kind} "${ref.name}" not found`
      : `couldn't find key ${ref.key} in ${kind.toLowerCase()} ${pod.metadata.namespace}/${ref.name}`,
  );
}

function fieldOf(pod: Pod, path: string, ip: string): string {
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed !== null) return pod.metadata[keyed[1] as "labels" | "annotations"]?.[keyed[2] ?? ""] ?? "";
  const fields: Readonly<Record<string, string>> = {
    "metadata.name": pod.metadata.name,
    "metadata.namespace": pod.metadata.namespace,
    "metadata.uid": pod.metadata.uid,
    "spec.nodeName": pod.spec.nodeName ?? "",
    "spec.serviceAccountName": pod.spec.serviceAccountName ?? "default",
    "status.podIP": ip,
    "status.hostIP": "127.0.0.1",
  };
  const value = fields[path];
  if (value === undefined)
    throw new NotReadyError("CreateContainerConfigError", `fieldPath "${path}" is not supported here`);
  return value;
}
