import type { KubeCall } from "../../kube/call.ts";

const methods: Readonly<Record<string, KubeCall["verb"]>> = {
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** What a request is in the words of RBAC; `undefined` for what is not about a resource (discovery, health). */
export function callOf(method: string, url: URL): KubeCall | undefined {
  const [root, ...parts] = url.pathname
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
  if (root !== "api" && root !== "apis") return undefined;
  const [group = "", ...versioned] = root === "api" ? ["", ...parts] : parts;
  const { namespace, rest } = placeOf(versioned.slice(1));
  const [resource, name, subresource] = rest;
  if (resource === undefined) return undefined;
  return { verb: methods[method] ?? readVerb(url, name), group, resource, subresource, namespace, name };
}

/** `namespaces/x` and `namespaces/x/status` are about the namespace itself. */
function placeOf(parts: readonly string[]): { namespace: string | undefined; rest: readonly string[] } {
  const [first, name, third] = parts;
  const isInside = first === "namespaces" && third !== undefined && third !== "status" && third !== "finalize";
  return isInside ? { namespace: name, rest: parts.slice(2) } : { namespace: undefined, rest: parts };
}

function readVerb(url: URL, name: string | undefined): KubeCall["verb"] {
  if (["true", "1"].includes(url.searchParams.get("watch") ?? "")) return "watch";
  return name === undefined ? "list" : "get";
}
