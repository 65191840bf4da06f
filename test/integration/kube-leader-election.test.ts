import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import type { ElectionEnd, Lease, LeaderElection, LeaderElectionOptions } from "../../src/kube/leader-election.ts";
import { createLeaderElection } from "../../src/kube/leader-election.ts";
import type { KubeObject } from "../../src/kube/resource.ts";
import { configMaps, leases } from "../../src/kube/resource.ts";
import type { Timers } from "../../src/kube/timers.ts";
import { systemTimers } from "../../src/kube/timers.ts";
import { createTransport } from "../../src/kube/transport.ts";
import type { FaultProxy } from "../../src/local/faults/proxy.ts";
import { startFaultProxy } from "../../src/local/faults/proxy.ts";
import type { RunningApiServer } from "../servers/api-servers.ts";
import { apiServers } from "../servers/api-servers.ts";

/** A lease of 15 s lasts 5 s: a busy machine that stalls for a second must not cost a leader its lease. */
const SPEED = 3;
/** Tried often, so that faults are over long before the deadline. */
const RETRY_MS = 500;
const fastTimers: Timers = {
  now: () => systemTimers.now() * SPEED,
  elapsed: () => systemTimers.elapsed() * SPEED,
  after: (ms, run) => systemTimers.after(ms / SPEED, run),
  random: () => 0,
};

type Timing = Pick<LeaderElectionOptions, "timers" | "leaseDurationMs">;
/** Nobody waits for the end of such a lease: who takes it over was given it. */
const ENDLESS: Timing = { leaseDurationMs: 24 * 3_600_000 };
/** Ten seconds for a renewal, however long each of its tries takes. */
const UNHURRIED: Timing = { timers: { ...systemTimers, random: () => 0 } };

interface Candidate {
  readonly election: LeaderElection;
  readonly terms: number[];
  readonly end: Promise<ElectionEnd>;
  /** Resolves when it leads. */
  readonly leading: Promise<void>;
  resign(): void;
}

describe.each(apiServers)("leader election on $name", (target) => {
  let running: RunningApiServer;
  let proxy: FaultProxy;
  let direct: KubeClient;
  let faulty: KubeClient;

  beforeAll(async () => {
    running = await target.start();
    proxy = await startFaultProxy(running.server);
    direct = createKubeClient(createTransport({ server: running.server }));
    faulty = createKubeClient(createTransport({ server: fixedServer(proxy.url) }));
  });
  afterAll(async () => {
    await Promise.all([direct.close(), faulty.close()]);
    await proxy.close();
    await running.stop();
  });

  function candidate(client: KubeClient, name: string, identity: string, timing: Timing = {}): Candidate {
    const abort = new AbortController();
    const terms: number[] = [];
    const started = Promise.withResolvers<void>();
    const election = createLeaderElection({
      client,
      lease: { namespace: "default", name },
      identity,
      timers: fastTimers,
      retryMs: RETRY_MS,
      ...timing,
      lead: (term, signal) => {
        terms.push(term);
        started.resolve();
        return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
      },
    });
    return { election, terms, end: election.run(abort.signal), leading: started.promise, resign: () => abort.abort() };
  }

  const leaseOf = (name: string): Promise<Lease> => direct.get<Lease>(leases, { namespace: "default", name });

  it("lets one lead, and hands over at once when it resigns", async () => {
    const first = candidate(direct, "resign", "first", ENDLESS);
    await first.leading;
    const second = candidate(direct, "resign", "second", ENDLESS);
    const held = await leaseOf("resign");
    expect(held.spec?.holderIdentity).toBe("first");
    expect(held.spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect([first.election.isLeading, second.election.isLeading]).toEqual([true, false]);
    first.resign();
    expect(await first.end).toBe("Released");
    await second.leading;
    expect(second.terms[0]).toBeGreaterThan(first.terms[0] ?? Infinity);
    second.resign();
    await second.end;
  });

  it("takes over from a leader that is gone, and the old one stops writing before that", async () => {
    const old = candidate(faulty, "partition", "old");
    await old.leading;
    const fenced = createKubeClient(
      createTransport({ server: running.server, interceptors: [old.election.fenceWrites] }),
    );
    const object: KubeObject = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "fenced", namespace: "default" },
    };
    const written = await fenced.create(configMaps, object);
    const successor = candidate(direct, "partition", "successor");
    const heal = proxy.inject({ effect: { kind: "Cut", when: "BeforeSend" } });
    expect(await old.end).toBe("Lost");
    expect(successor.election.isLeading).toBe(false);
    await expect(fenced.update(configMaps, written)).rejects.toThrow("does not lead");
    expect(await fenced.find(configMaps, { namespace: "default", name: "fenced" })).toBeDefined();
    await successor.leading;
    heal();
    expect(successor.terms[0]).toBeGreaterThan(old.terms[0] ?? Infinity);
    expect((await leaseOf("partition")).spec?.holderIdentity).toBe("successor");
    successor.resign();
    await successor.end;
    await fenced.close();
  });

  it("keeps leading through short faults and doubled acknowledgements", async () => {
    const leader = candidate(faulty, "bumpy", "leader", UNHURRIED);
    await leader.leading;
    const unharmed = proxy.strikes;
    proxy.inject({ match: { resource: "leases" }, effect: { kind: "Answer", status: 503 }, times: 2 });
    proxy.inject({ match: { verb: "update" }, effect: { kind: "Cut", when: "BeforeAcknowledgement" }, times: 1 });
    await expect.poll(() => proxy.strikes - unharmed, { timeout: 60_000 }).toBe(3);
    const before = (await leaseOf("bumpy")).spec?.renewTime;
    await expect.poll(async () => (await leaseOf("bumpy")).spec?.renewTime, { timeout: 60_000 }).not.toBe(before);
    expect(leader.election.isLeading).toBe(true);
    expect(leader.terms).toHaveLength(1);
    leader.resign();
    expect(await leader.end).toBe("Released");
    expect((await leaseOf("bumpy")).spec?.holderIdentity).toBe("");
  });

  it("goes on counting terms upwards when somebody deletes the lease", async () => {
    const first = candidate(direct, "deleted", "first");
    await first.leading;
    first.resign();
    await first.end;
    await direct.delete(leases, { namespace: "default", name: "deleted" });
    const second = candidate(direct, "deleted", "second");
    await second.leading;
    expect(second.terms[0]).toBeGreaterThanOrEqual(first.terms[0] ?? Infinity);
    second.resign();
    await second.end;
  });
});
