import { describe, expect, it } from "vitest";
import { callOf } from "./call-of.ts";

const of = (method: string, path: string): string => {
  const call = callOf(method, new URL(path, "http://x"));
  if (call === undefined) return "-";
  const { verb, group, resource, subresource, namespace, name } = call;
  return [verb, group === "" ? "core" : group, resource, subresource, namespace, name]
    .map((part) => part ?? "")
    .join(" ");
};

describe("a request in the words of RBAC", () => {
  it.each([
    ["GET", "/api/v1/pods", "list core pods   "],
    ["GET", "/api/v1/namespaces/a/pods?watch=true", "watch core pods  a "],
    ["GET", "/api/v1/namespaces/a/pods?watch=1", "watch core pods  a "],
    ["GET", "/api/v1/namespaces/a/pods/p", "get core pods  a p"],
    ["PUT", "/apis/weir.dev/v1alpha1/namespaces/a/streamingjobs/j/status", "update weir.dev streamingjobs status a j"],
    ["PATCH", "/apis/weir.dev/v1alpha1/namespaces/a/streamingjobs/j/scale", "patch weir.dev streamingjobs scale a j"],
    ["DELETE", "/api/v1/namespaces/a", "delete core namespaces   a"],
    ["PUT", "/api/v1/namespaces/a/finalize", "update core namespaces finalize  a"],
    ["POST", "/api/v1/namespaces", "create core namespaces   "],
    ["GET", "/apis/weir.dev/v1alpha1", "-"],
    ["GET", "/readyz", "-"],
    ["GET", "/openapi/v3", "-"],
  ])("%s %s", (method, path, expected) => {
    expect(of(method, path)).toBe(expected);
  });
});
