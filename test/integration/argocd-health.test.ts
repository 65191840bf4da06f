import { beforeAll, describe, expect, it } from "vitest";
import { JOB_STATES } from "../../src/api/streaming-job-status.schema.ts";
import { OPERATIONS } from "../../src/lifecycle/transitions.ts";
import { aged, allFixtures } from "../fixtures/status/fixtures.ts";
import type { Health, LuaQuestion } from "../servers/argocd-lua.ts";
import { askArgo, askedArgo } from "../servers/argocd-lua.ts";
import { toolBinary } from "../servers/tools.ts";

const HOUR = 3_600_000;
const fixtures = allFixtures();
const healthOf = (ageMs: number): LuaQuestion[] =>
  fixtures.map((fixture) => ({ run: "health", object: aged(fixture, ageMs) }));

beforeAll(async () => {
  await toolBinary("argocd"); // built here, outside of any test's time
}, 1_800_000);

describe("the health that Argo CD shows", () => {
  it("is the expected one for every recorded status", async () => {
    const answers = await askedArgo<Health>(healthOf(0));
    const seen = fixtures.map(({ name }, i) => [name, answers[i]?.status]);
    expect(seen).toEqual(fixtures.map(({ name, expected }) => [name, expected.health]));
    for (const [i, { name, expected }] of fixtures.entries()) {
      expect(answers[i]?.message, name).toContain(expected.says);
    }
    console.log(`${fixtures.length} recorded statuses have the expected health`);
  });

  it("is Degraded for what stays on its way longer than it may, and says since when", async () => {
    const answers = await askedArgo<Health>(healthOf(HOUR));
    const seen = fixtures.map(({ name }, i) => [name, answers[i]?.status]);
    const wanted = fixtures.map(({ name, expected }) => [name, expected.afterAnHour ?? expected.health]);
    expect(seen).toEqual(wanted);
    const late = fixtures.flatMap(({ expected }, i) =>
      expected.afterAnHour === undefined ? [] : [answers[i]?.message],
    );
    expect(late.length).toBeGreaterThan(0);
    for (const message of late) expect(message).toMatch(/^not ready since \d{4}-.*: \w+: /);
  });

  it("is the same in every time zone of the controller", async () => {
    const ages = [0, 500_000, 700_000, HOUR];
    const questions = ages.flatMap(healthOf);
    const [utc, ...others] = await Promise.all(
      ["UTC", "America/New_York", "Asia/Kolkata"].map((zone) => askedArgo<Health>(questions, { TZ: zone })),
    );
    const words = (answers: Health[] | undefined) => answers?.map((a) => a.status);
    for (const other of others) expect(words(other)).toEqual(words(utc));
  });

  it("waits for the deadline of an operation that has a later one", async () => {
    const scaling = fixtures.find((f) => f.name === "streamingjob-scaling");
    if (scaling?.object.status?.operation === undefined) throw new Error("the fixture has no operation");
    const object = aged(scaling, HOUR);
    const operation = { ...object.status?.operation, deadline: new Date(Date.now() + HOUR).toISOString() };
    const [answer] = await askedArgo<Health>([
      { run: "health", object: { ...object, status: { ...object.status, operation } } },
    ]);
    expect(answer?.status).toBe("Progressing");
  });

  it("is Progressing for an object without any status", async () => {
    const bare = fixtures.map(({ object }) => ({ ...object, status: undefined }));
    const alive = bare.filter((object) => object.metadata.deletionTimestamp === undefined);
    const answers = await askedArgo<Health>(alive.map((object) => ({ run: "health", object })));
    expect(new Set(answers.map((a) => a.status))).toEqual(new Set(["Progressing"]));
  });
});

describe("the recorded statuses", () => {
  it("have every state and every operation of a job", () => {
    const statuses = fixtures.map((f) => f.object.status);
    expect(JOB_STATES.filter((state) => !statuses.some((s) => s?.state === state))).toEqual([]);
    const operations = Object.keys(OPERATIONS);
    expect(operations.filter((type) => !statuses.some((s) => s?.operation?.type === type))).toEqual([]);
  });
});

describe("Argo CD's sandbox", () => {
  const object = fixtures[0]?.object ?? {};
  const run = async (script: string) => {
    const settings = { "resource.customizations.health.weir.dev_ControlPolicy": script };
    const [answer] = await askArgo<Health>([{ run: "health", object, settings }]);
    return answer;
  };

  it("has no string library, so that the scripts here must do without", async () => {
    expect((await run('return { status = string.format("%s", "Healthy") }'))?.error).toContain("attempt to index");
    expect((await run('return { status = ("Healthy"):upper() }'))?.error).toContain("attempt to index");
  });

  it("cuts a script off after a second", async () => {
    const started = performance.now();
    expect((await run("while true do end"))?.error).toContain("deadline exceeded");
    expect(performance.now() - started).toBeGreaterThan(900);
  });

  it("takes a word that is no health for Unknown", async () => {
    expect(await run('return { status = "Fine" }')).toEqual({
      answer: { status: "Unknown", message: "Lua returned an invalid health status" },
    });
  });
});
