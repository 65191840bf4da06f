/** The quickstart as a user lives it, on any cluster: told with kubectl, its results computed a second time without the engine. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { load } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DatagenSource } from "../../src/api/datagen.schema.ts";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import { type TenantEvent, canonical, tenantWindows, windowId } from "./tenant-windows.ts";
import { type Actor, type StoryCluster, type StoryTarget, actorOn, maintenance } from "../servers/story-cluster.ts";

const samples = join(import.meta.dirname, "../../config/samples/quickstart");
const JOB = "realtime-etl";
const START = Date.parse("2026-01-01T00:00:00Z");
const TENANTS = 100;
/** The last window that the backlog of 400,000 records at 5,000 for a second of event time fills and closes. */
const LAST_OF_BACKLOG = 6;

/** What a user sees of the story, without times and names that differ from run to run. */
export interface Account {
  readonly states: string[];
  readonly columns: string[];
  readonly conditions: string[];
  readonly decisions: string[];
  readonly requests: string[];
  readonly parallelism: (number | undefined)[];
  readonly overrides: string[];
  readonly nextWindow: string;
  readonly results: string[];
}

/** Plays the story with kubectl alone, as docs/getting-started.md tells it. */
async function play(cluster: StoryCluster, actor: Actor): Promise<Account> {
  const { kubectl } = cluster;
  const { act, wait, state, workers } = actor;
  const ready = wait("condition=Ready");

  await act("apply", ["apply", "-f", join(samples, "job.yaml"), "-f", join(samples, "policy.yaml")], ready);
  const scaled = await act("scaled by the policy", ...workers(4));
  await untilWindow(cluster, LAST_OF_BACKLOG);

  await kubectl(["apply", "-f", "-"], maintenance.begins(JOB));
  const stopped = await act("stopped for maintenance", state("STOPPED"), ready);
  await kubectl(maintenance.ends());
  const resumed = await act("resumed", ...workers(4));
  await act("checkpointing", wait("condition=Checkpointing"));
  expectRestored(resumed, stopped);

  const halved = await act("scaled by hand", ["scale", `sj/${JOB}`, "--replicas=2"], ...workers(2));
  const paused = await act("stopped by hand", ["annotate", `sj/${JOB}`, "weir.dev/stop=night"], state("STOPPED"));
  const again = await act("started by hand", ["annotate", `sj/${JOB}`, "weir.dev/start=day"], ...workers(2));
  expectRestored(again, paused);

  await untilWindow(cluster, lastWindow(cluster) + 1);
  await kubectl(wait("condition=Checkpointing"));
  const seen = await look(cluster);
  await kubectl(["delete", "sj", JOB, "--timeout=120s"]);
  expect(await kubectl(["get", "pods", "-l", `weir.dev/job=${JOB}`, "-o", "name"])).toBe("");

  await kubectl(["apply", "-f", join(samples, "maintenance-window.yaml")]);
  await kubectl(["wait", "mw/weekly", "--for=jsonpath={.status.nextStart}", "--timeout=120s"]);
  return {
    ...seen,
    parallelism: [scaled, stopped, resumed, halved, paused, again].map((j) => j.status?.parallelism?.effective),
    nextWindow: await kubectl(["get", "mw", "weekly", "-o", "jsonpath={.status.nextStart}"]),
    results: results(cluster),
  };
}

function expectRestored(resumed: JobObject, stopped: JobObject): void {
  expect(stopped.status?.savepoint?.uri).toContain("/savepoints/");
  expect(resumed.status?.lineage?.restoredFrom).toEqual({ uri: stopped.status?.savepoint?.uri, verified: true });
}

async function look(cluster: StoryCluster): Promise<Omit<Account, "parallelism" | "nextWindow" | "results">> {
  const [header = "", row = ""] = (await cluster.kubectl(["get", "sj"])).split("\n");
  const { status } = await cluster.job(JOB);
  const { conditions = [], decisions = [], requests = [], overrides = [] } = status ?? {};
  return {
    states: cluster.states(),
    columns: [header, row.split(/\s+/).slice(0, 5).join(" ")],
    conditions: conditions.map((c) => `${c.type}=${c.status} ${c.reason}`).toSorted(),
    decisions: decisions.map((d) => `${d.policy}/${d.rule} ${d.outcome}`),
    requests: requests.map((r) => `${r.verb}=${r.value} ${r.outcome}`),
    overrides: overrides.map((o) => `${o.field}=${o.value}`),
  };
}

function results(cluster: StoryCluster): string[] {
  const folder = join(cluster.volume, "results");
  if (!existsSync(folder)) return [];
  const texts = readdirSync(folder).map((part) => readFileSync(join(folder, part), "utf8"));
  return texts
    .flatMap((text) => text.slice(0, text.lastIndexOf("\n") + 1).split("\n"))
    .filter((line) => line !== "")
    .map((line) => canonical(JSON.parse(line) as object));
}

const windowNumber = (id: string): number => (Number(id.split("/")[1]) - START) / 10_000;
const lastWindow = (cluster: StoryCluster): number =>
  Math.max(...results(cluster).map((line) => windowNumber(windowId(line))));

/** Until every tenant's result of that window is in the files. */
async function untilWindow(cluster: StoryCluster, number: number): Promise<void> {
  for (const deadline = Date.now() + 120_000; ; await delay(100)) {
    const found = results(cluster).filter((line) => windowNumber(windowId(line)) === number).length;
    if (found >= TENANTS) return;
    if (Date.now() > deadline) throw new Error(`window ${number} has ${found} results of ${TENANTS}`);
  }
}

/** All windows up to one after `last`, and which split each tenant's events are in. */
function expectedUpTo(last: number): { windows: Map<string, string>; splitOf: Map<string, number> } {
  const job = load(readFileSync(join(samples, "job.yaml"), "utf8")) as {
    spec: { pipeline: { nodes: { source?: { datagen?: DatagenSource } }[] } };
  };
  const datagen = job.spec.pipeline.nodes[0]?.source?.datagen;
  if (datagen === undefined) throw new Error("the sample does not begin with a datagen source");
  const generator = datagenGenerator(datagen);
  const buf = Buffer.alloc(generator.maxBytes);
  const windows = tenantWindows();
  const splitOf = new Map<string, number>();
  for (let split = 0; split < generator.splits; split++) {
    for (let index = 0; ; index++) {
      const text = buf.toString("utf8", 0, generator.write(buf, 0, { split, index }));
      const event = JSON.parse(text) as TenantEvent;
      if (event.ts >= START + (last + 1) * 10_000) break;
      if (splitOf.get(event.tenant) !== split) {
        expect(splitOf.has(event.tenant)).toBe(false);
        splitOf.set(event.tenant, split);
      }
      windows.add(event);
    }
  }
  return { windows: windows.records(), splitOf };
}

/** Defines its tests; the answer gives the account once they ran. */
export function describeQuickstart({ name, start }: StoryTarget): () => Account {
  let account: Account | undefined;
  describe(`the quickstart on ${name}`, () => {
    let cluster: StoryCluster;
    beforeAll(async () => {
      cluster = await start();
    });
    afterAll(() => cluster?.stop());

    it("runs, is scaled by its policy, stopped for maintenance, resumed, scaled and stopped by hand, and deleted", async () => {
      const actor = actorOn(cluster, JOB);
      const told = await play(cluster, actor);
      account = told;
      console.log(`${name}: ${actor.times.join(", ")}`);
      const acts = ["CREATED RUNNING SCALING RUNNING", "STOPPED CREATED RUNNING", "SCALING RUNNING"];
      expect(told.states.join(" ")).toBe([...acts, "STOPPED CREATED RUNNING"].join(" "));
      expect(told.parallelism).toEqual([4, 0, 4, 2, 0, 2]);
      expect(told.decisions).toEqual(
        ["scale-on-lag", "stopWhen", "restartWhen"].map((rule) => `keep-up/${rule} Applied`),
      );
      expect(told.conditions).toEqual([
        "Checkpointing=True CheckpointCurrent",
        "Ready=True Running",
        "StateSafe=True RestorePointVerified",
      ]);
      expect(told.columns[1]).toBe(`${JOB} RUNNING True Reactive 2`);
      expect(told.requests).toEqual(["start=day Accepted", "stop=night Accepted"]);
      const weekly = new Date(told.nextWindow);
      const berlin = { timeZone: "Europe/Berlin" };
      expect(weekly.toLocaleDateString("en-GB", { ...berlin, weekday: "long" })).toBe("Sunday");
      expect(weekly.toLocaleTimeString("en-GB", { ...berlin, hour: "2-digit", minute: "2-digit" })).toBe("02:00");
    });

    it("writes each window of each tenant once, and as computed without the engine", () => {
      const written = account?.results ?? [];
      const ids = written.map(windowId);
      const last = Math.max(...ids.map(windowNumber));
      const { windows, splitOf } = expectedUpTo(last);
      const splitAt = (id: string): number => splitOf.get(id.split("/")[0] ?? "") ?? -1;
      // A split's windows close in order: one that is written means that all before it are.
      const closed = new Map<number, number>();
      for (const id of ids) closed.set(splitAt(id), Math.max(closed.get(splitAt(id)) ?? -1, windowNumber(id)));
      const due = [...windows].filter(([id]) => windowNumber(id) <= (closed.get(splitAt(id)) ?? -1));
      const found = new Set(written);
      const records = new Set(due.map(([, record]) => record));
      expect(written.filter((record) => !records.has(record)).slice(0, 5)).toEqual([]);
      expect([...records].filter((record) => !found.has(record)).slice(0, 5)).toEqual([]);
      expect(written.length).toBe(records.size);
      expect(Math.min(...closed.values())).toBeGreaterThan(LAST_OF_BACKLOG);
      console.log(`${name}: ${written.length} result records equal to the computed ones, up to window ${last}`);
    });
  });
  return () => {
    if (account === undefined) throw new Error(`the quickstart on ${name} was not told to its end`);
    return account;
  };
}
