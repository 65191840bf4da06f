import { describe, expect, it } from "vitest";
import type { KubeClient } from "./client.ts";
import { KubeError } from "./kube-error.ts";
import type { Lease } from "./leader-election.ts";
import { createLeaderElection, microTime } from "./leader-election.ts";
import { manualTimers } from "./manual-timers.ts";
import { leases } from "./resource.ts";

/** One lease with optimistic concurrency; the real server is in the integration test, here only time is under test. */
function leaseServer() {
  let lease: Lease | undefined;
  let version = 0;
  const store = (next: Lease): Promise<Lease> => {
    lease = { ...next, metadata: { ...next.metadata, resourceVersion: String(++version) } };
    return Promise.resolve(lease);
  };
  const client = {
    find: () => Promise.resolve(lease),
    create: (_: unknown, wanted: Lease) =>
      lease === undefined
        ? store(wanted)
        : Promise.reject(new KubeError("create leases", 409, { reason: "AlreadyExists" })),
    update: (_: unknown, wanted: Lease) =>
      wanted.metadata.resourceVersion === lease?.metadata.resourceVersion
        ? store(wanted)
        : Promise.reject(new KubeError("update leases", 409, {})),
  };
  return { client: client as unknown as KubeClient, holder: () => lease?.spec?.holderIdentity };
}

const election = (client: KubeClient, identity: string) => {
  const timers = manualTimers({ start: 1_700_000_000_000, random: () => 0 });
  let frozenFor = 0;
  const terms: number[] = [];
  const made = createLeaderElection({
    client,
    identity,
    timers: { ...timers, now: () => timers.now() + frozenFor, elapsed: () => timers.elapsed() + frozenFor },
    lease: { namespace: "weir-system", name: "operator" },
    lead: (term, signal) => {
      terms.push(term);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    },
  });
  const abort = new AbortController();
  /** Time passes, and no timer of the process runs. */
  const freeze = (ms: number): void => {
    frozenFor += ms;
  };
  return { election: made, timers, terms, end: made.run(abort.signal), freeze };
};

describe("leader election", () => {
  it("waits the whole lease of a silent leader by its own clock, not by the leader's", async () => {
    const server = leaseServer();
    const first = election(server.client, "first");
    await first.timers.advance(0);
    const second = election(server.client, "second");
    await second.timers.advance(14_000);
    expect([second.terms, server.holder()]).toEqual([[], "first"]);
    await second.timers.advance(2_000);
    expect(server.holder()).toBe("second");
    expect(second.terms[0]).toBe((first.terms[0] ?? 0) + 1);
  });

  it("does not take over while the leader renews", async () => {
    const server = leaseServer();
    const first = election(server.client, "first");
    const second = election(server.client, "second");
    for (let i = 0; i < 60; i++) {
      await first.timers.advance(1_000);
      await second.timers.advance(1_000);
    }
    expect([server.holder(), second.terms, first.terms.length]).toEqual(["first", [], 1]);
  });

  it("refuses the writes of a process that was frozen, before any of its timers runs", async () => {
    const leader = election(leaseServer().client, "leader");
    await leader.timers.advance(0);
    const write = { call: { verb: "update", group: "", resource: "pods" }, method: "PUT", path: "/" } as const;
    const sent = (): Promise<string> => Promise.resolve("sent");
    await expect(leader.election.fenceWrites(write, sent)).resolves.toBe("sent");
    leader.freeze(60_000);
    await expect(leader.election.fenceWrites(write, sent)).rejects.toThrow("was not sent");
    await expect(leader.election.fenceWrites({ ...write, method: "GET" }, sent)).resolves.toBe("sent");
  });

  it("waits the whole lease although its clock is set forward, and no longer although it is set back", async () => {
    for (const by of [3_600_000, -3_600_000]) {
      const server = leaseServer();
      const first = election(server.client, "first");
      await first.timers.advance(0);
      const second = election(server.client, "second");
      await second.timers.advance(1_000);
      second.timers.setClock(by);
      await second.timers.advance(13_000);
      expect([second.terms, server.holder()]).toEqual([[], "first"]);
      await second.timers.advance(3_000);
      expect(server.holder()).toBe("second");
    }
  });

  it("stops leading in time although its clock is set back", async () => {
    const server = leaseServer();
    let isDown = false;
    const find = (): Promise<unknown> =>
      isDown ? Promise.reject(new KubeError("get leases", 503, {})) : server.client.find(leases, { name: "operator" });
    const leader = election({ ...server.client, find } as unknown as KubeClient, "leader");
    await leader.timers.advance(0);
    isDown = true;
    leader.timers.setClock(-3_600_000);
    await leader.timers.advance(10_000);
    expect(leader.election.isLeading).toBe(false);
  });

  it("stops leading when it could not renew for 10 s, 5 s before anybody else may lead", async () => {
    const server = leaseServer();
    let isDown = false;
    const flaky = {
      ...server.client,
      find: (...args: Parameters<KubeClient["find"]>) =>
        isDown ? Promise.reject(new KubeError("get leases", 503, {})) : server.client.find(...args),
    } as KubeClient;
    const leader = election(flaky, "leader");
    await leader.timers.advance(0);
    isDown = true;
    await leader.timers.advance(9_999);
    expect(leader.election.isLeading).toBe(true);
    await leader.timers.advance(1);
    expect(leader.election.isLeading).toBe(false);
    await leader.timers.advance(2_000);
    expect(await leader.end).toBe("Lost");
    expect(server.holder()).toBe("leader");
  });

  it("is told to stop in time also when the server only hangs", async () => {
    const server = leaseServer();
    let isHanging = false;
    const find = (_: unknown, __: unknown, { signal }: { signal: AbortSignal }): Promise<unknown> =>
      isHanging
        ? new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new KubeError("get", 0, {}))))
        : server.client.find(leases, { name: "operator" });
    const leader = election({ ...server.client, find } as unknown as KubeClient, "leader");
    await leader.timers.advance(0);
    isHanging = true;
    await leader.timers.advance(10_000);
    expect(await leader.end).toBe("Lost");
  });

  it("writes times with six fractional digits", () => {
    expect(microTime(Date.parse("2026-01-02T03:04:05.006Z"))).toBe("2026-01-02T03:04:05.006000Z");
  });
});
