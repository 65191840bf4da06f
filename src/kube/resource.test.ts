import { describe, expect, it } from "vitest";
import { KubeError, retryAfterMs } from "./kube-error.ts";
import { configMaps, keyOf, leases, namespaces, pathOf, pods, refOfKey } from "./resource.ts";

describe("paths and keys", () => {
  it.each([
    [pathOf(pods, {}), "/api/v1/pods"],
    [pathOf(pods, { namespace: "a" }), "/api/v1/namespaces/a/pods"],
    [pathOf(pods, { namespace: "a", name: "p", subresource: "status" }), "/api/v1/namespaces/a/pods/p/status"],
    [pathOf(leases, { namespace: "a", name: "l" }), "/apis/coordination.k8s.io/v1/namespaces/a/leases/l"],
    [pathOf(namespaces, { namespace: "ignored", name: "a" }), "/api/v1/namespaces/a"],
    [
      pathOf(configMaps, { namespace: "a", name: "x/../../secrets" }),
      "/api/v1/namespaces/a/configmaps/x%2F..%2F..%2Fsecrets",
    ],
  ])("%s", (path, expected) => {
    expect(path).toBe(expected);
  });

  it("turn into each other", () => {
    for (const ref of [{ namespace: "ns", name: "x" }, { name: "x" }]) expect(refOfKey(keyOf(ref))).toEqual(ref);
  });
});

describe("a refusal", () => {
  it.each([
    [401, "Backoff", "Unauthorized"],
    [403, "Backoff", "Forbidden"],
    [404, "Backoff", "NotFound"],
    [409, "Backoff", "Conflict"],
    [422, "Terminal", "Invalid"],
    [500, "Backoff", "InternalError"],
    [502, "Backoff", "Unknown"],
  ])("%i without a body means %s", (status, retry, reason) => {
    const error = new KubeError("get pods a/b", status, {});
    expect([error.retry, error.statusReason]).toEqual([retry, reason]);
  });

  it("reads Retry-After as seconds or a date, and bounds it", () => {
    const now = Date.parse("2026-01-01T00:00:00Z");
    expect(retryAfterMs("3", now)).toBe(3_000);
    expect(retryAfterMs("Thu, 01 Jan 2026 00:00:09 GMT", now)).toBe(9_000);
    expect(retryAfterMs("Wed, 31 Dec 2025 00:00:00 GMT", now)).toBe(0);
    expect(retryAfterMs("999999999", now)).toBe(300_000);
    expect(retryAfterMs("soon", now)).toBeUndefined();
    expect(retryAfterMs(undefined, now)).toBeUndefined();
  });
});
