/** The quickstart as a user lives it, on any cluster: told with kubectl, its results computed a second time without the engine. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import {
  JOB,
  LAST_OF_BACKLOG,
  comparedWithComputed,
  lastWindow,
  resultsIn,
  samples,
  untilWindow,
} from "./quickstart-results.ts";
import { type Actor, type StoryCluster, type StoryTarget, actorOn, maintenance } from "../servers/story-cluster.ts";

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
  await untilWindow(cluster.volume, LAST_OF_BACKLOG);

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

  await untilWindow(cluster.volume, lastWindow(cluster.volume) + 1);
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
    results: resultsIn(cluster.volume),
  };
}

/** "Sunday 02:00 after 01:59": with the minute before, because one Sunday of the year has no two o'clock. */
function inBerlin(time: string): string {
  const at = (ms: number, options: Intl.DateTimeFormatOptions): string =>
    new Date(ms).toLocaleString("en-GB", { timeZone: "Europe/Berlin", ...options });
  const minute = { hour: "2-digit", minute: "2-digit" } as const;
  const ms = Date.parse(time);
  return `${at(ms, { weekday: "long" })} ${at(ms, minute)} after ${at(ms - 60_000, minute)}`;
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
      expect(["Sunday 02:00 after 01:59", "Sunday 03:00 after 01:59"]).toContain(inBerlin(told.nextWindow));
    });

    it("writes each window of each tenant once, and as computed without the engine", () => {
      const { written, due, wrong, missing, lastOfAll, last } = comparedWithComputed(account?.results ?? []);
      expect(wrong.slice(0, 5)).toEqual([]);
      expect(missing.slice(0, 5)).toEqual([]);
      expect(written).toBe(due);
      expect(lastOfAll).toBeGreaterThan(LAST_OF_BACKLOG);
      console.log(`${name}: ${written} result records equal to the computed ones, up to window ${last}`);
    });
  });
  return () => {
    if (account === undefined) throw new Error(`the quickstart on ${name} was not told to its end`);
    return account;
  };
}
