/** A job over files that are changed between two runs of it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { collected, type Collected } from "../../../test/builders/collected-sink.ts";
import { runSlot, stopWithSavepoint } from "../../../test/builders/running-slot.ts";
import type { RestorePoint } from "../../api/worker-protocol.ts";
import { compile } from "../codegen/compile.ts";
import { planPipeline } from "../planner/plan-pipeline.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-changed-files-"));
});
afterEach(async () => {
  for (const each of [folder, `${folder}-state`]) await rm(each, { recursive: true, force: true });
});

const lines = (name: string, n: number): string[] =>
  Array.from({ length: n }, (_, i) => `{"f":"${name}","i":${i},"pad":"${"x".repeat(100)}"}`);
const write = (all: readonly string[]): Promise<void> =>
  writeFile(join(folder, "in.ndjson"), all.map((line) => `${line}\n`).join(""));

function start(follow: boolean, out: Collected, restore?: RestorePoint) {
  const plan = planPipeline(
    {
      nodes: [
        { name: "events", source: { file: { path: join(folder, "*.ndjson"), follow } } },
        { name: "out", from: ["events"], sink: { blackhole: {} } },
      ],
    },
    { parameters: {}, maxParallelism: 4 },
  );
  return runSlot({
    plan: { ...plan, sinks: plan.sinks.map((sink) => ({ ...sink, connector: "collect" })) },
    connectors: out.connectors,
    build: compile,
    uri: `file://${folder}-state`,
    ...(restore && { restore, epoch: 2 }),
  });
}
describe("a job over files", () => {
  it("reads a file that took another's place from its beginning, and counts it as a loss", async () => {
    await write(lines("old", 300));
    const before = collected();
    const first = await start(true, before);
    await expect.poll(() => first.measure().totalIn, { timeout: 60_000 }).toBe(300);
    const restore = await stopWithSavepoint([first], `file://${folder}-state/savepoint`);
    await write(lines("new", 500));
    const out = collected();
    const second = await start(false, out, restore);
    await second.done;
    expect(before.lines).toEqual(lines("old", 300));
    expect(out.lines).toEqual(lines("new", 500));
    expect(second.measure().lost).toMatchObject({
      records: 0,
      message: expect.stringMatching(/^in\.ndjson is another file than the one that was read up to byte \d+/),
    });
  });

  it("does not end where no file matches: it is told which pattern", async () => {
    await expect(start(false, collected())).rejects.toMatchObject({
      code: "SOURCE_UNREACHABLE",
      retry: "Backoff",
      message: expect.stringContaining(`no file matches ${folder}/*.ndjson`),
    });
  });
});
