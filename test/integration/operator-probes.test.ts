import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { Lease } from "../../src/kube/leader-election.ts";
import { microTime } from "../../src/kube/leader-election.ts";
import { leases } from "../../src/kube/resource.ts";
import type { Timers } from "../../src/kube/timers.ts";
import { systemTimers } from "../../src/kube/timers.ts";
import type { OperatorOptions, RunningOperator } from "../../src/main/operator.ts";
import { create, scaleTo, stop } from "../builders/crash-scenarios.ts";
import { JOB, jobFacts } from "../builders/job-facts.ts";
import { startEmbeddedGround } from "../servers/embedded-ground.ts";
import type { Ground } from "../servers/weir-ground.ts";

let end: () => Promise<void>;
let ground: Ground;
const running: RunningOperator[] = [];

beforeAll(async () => {
  ({ ground, stop: end } = await startEmbeddedGround());
});
afterAll(async () => {
  await Promise.all(running.map((operator) => operator.stop()));
  await end();
});

async function start(namespace: string, options: Partial<OperatorOptions> = {}): Promise<RunningOperator> {
  const probes = { host: "127.0.0.1", port: 0 };
  const operator = await ground.operator(namespace, { probes, ...options });
  running.push(operator);
  return operator;
}

async function ask(operator: RunningOperator, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://127.0.0.1:${operator.probePort}${path}`);
  return { status: response.status, text: await response.text() };
}

describe("the operator's probes", () => {
  it("call a standby ready and live: it can take over at once", async () => {
    await ground.open("standby");
    const lease: Lease = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name: "weir", namespace: "standby" },
      spec: { holderIdentity: "somebody", leaseDurationSeconds: 3600, renewTime: microTime(Date.now()) },
    };
    await ground.client.create(leases, lease);
    const operator = await start("standby", { lease: { namespace: "standby", name: "weir" } });
    await expect.poll(() => ask(operator, "/readyz"), { timeout: 60_000 }).toEqual({ status: 200, text: "ok" });
    expect(await ask(operator, "/healthz")).toEqual({ status: 200, text: "ok" });
    expect((await ask(operator, "/metrics")).text).toMatch(/^weir_leader\{lease="weir"\} 0$/m);
  });

  it("say who leads also where no lease is asked for", async () => {
    await ground.open("alone");
    const operator = await start("alone");
    await operator.leading;
    expect((await ask(operator, "/metrics")).text).toMatch(/^weir_leader\{lease=""\} 1$/m);
  });

  it("call an operator dead whose watches neither hear nor ask anything for ten minutes", async () => {
    await ground.open("frozen");
    let ahead = 0;
    const timers: Timers = { ...systemTimers, elapsed: () => systemTimers.elapsed() + ahead };
    const operator = await start("frozen", { timers });
    await operator.leading;
    expect((await ask(operator, "/healthz")).status).toBe(200);
    ahead = 605_000;
    const dead = await ask(operator, "/healthz");
    expect(dead.status).toBe(503);
    expect(dead.text).toMatch(/^the watch of \w+ in frozen has stood still for 6\d\d s$/);
  });
});

describe("the operator's log", () => {
  it("has one line for each state of a job, which says whose it is", async () => {
    const namespace = "told";
    const happenings = await ground.open(namespace);
    const lines: { message: string; fields: Readonly<Record<string, unknown>> }[] = [];
    const operator = await start(namespace, {
      log: (level, message, _error, fields) => {
        if (level === "info" && fields !== undefined) lines.push({ message, fields });
      },
    });
    await operator.leading;
    const job = () => ground.jobs.get(`${namespace}/${JOB}`);
    for (const act of [create(), scaleTo(2), stop]) {
      await act.do(ground, namespace);
      await ground.until(
        "arrived",
        () => act.arrived(job()),
        () => jobFacts(ground, namespace, happenings),
        120_000,
      );
    }
    // A watch may tell of a state before the operator has the answer to its write.
    await expect
      .poll(() => lines.map((line) => line.message), { timeout: 60_000 })
      .toEqual(["new → CREATED", "CREATED → RUNNING", "RUNNING → SCALING", "SCALING → RUNNING", "RUNNING → STOPPED"]);
    const { uid } = (await ground.client.get(streamingJobs, { namespace, name: JOB })).metadata;
    expect(lines.map((line) => line.fields)).toMatchObject(
      [0, 1, 1, 2, 2].map((epoch) => ({ controller: "streamingjob", namespace, name: JOB, uid, epoch })),
    );
    expect(lines[1]?.fields).toMatchObject({ generation: 1, reason: "Running", from: "CREATED", to: "RUNNING" });
    await ground.clear(namespace);
  });
});
