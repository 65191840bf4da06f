import type { WatchedNamespace } from "../controllers/namespace-watch.ts";
import type { OperatorLog } from "./operator.ts";

/**
 * Ready as soon as it is known of each namespace whether it can be watched, and one of them is. A namespace without its
 * Role does not make the operator unready: one tenant's mistake would hold up every roll-out.
 */
export function notReady(namespaces: readonly WatchedNamespace[]): string | undefined {
  const syncing = namespaces.filter((n) => n.state === "Syncing");
  if (syncing.length > 0) return `not synced yet: ${told(syncing)}`;
  return namespaces.some((n) => n.state === "Open") ? undefined : `no namespace can be watched: ${told(namespaces)}`;
}

/** The namespaces where nothing is done, and why. */
export function refusals(namespaces: readonly WatchedNamespace[]): string | undefined {
  const refused = namespaces.filter((n) => n.state === "Refused");
  return refused.length === 0 ? undefined : `not watched: ${told(refused)}`;
}

const nameOf = ({ name }: WatchedNamespace): string => (name === undefined ? "all namespaces" : `namespace ${name}`);
const told = (namespaces: readonly WatchedNamespace[]): string =>
  namespaces.map((n) => (n.problem === undefined ? nameOf(n) : `${nameOf(n)} (${n.problem})`)).join("; ");

/** Says once why a namespace is not watched, and when it is after all; back-off would repeat it for ever. */
export function namespaceLog(log: OperatorLog): (namespace: WatchedNamespace) => void {
  const refused = new Set<string | undefined>();
  return (namespace) => {
    const { name, state, problem } = namespace;
    if (state === "Open" && refused.delete(name)) log("info", `${nameOf(namespace)} is watched now`);
    if (state === "Syncing" && problem !== undefined) log("warn", `${nameOf(namespace)}: ${problem}`);
    if (state !== "Refused" || refused.has(name)) return;
    refused.add(name);
    const remedy = name === undefined ? "a ClusterRole" : "a Role there";
    log(
      "warn",
      `${nameOf(namespace)} is not watched: ${problem}; bind the operator to ${remedy} with the rules of docs/reference/permissions.md, or do not watch it. It is asked again`,
    );
  };
}
