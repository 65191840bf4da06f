import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Pipeline } from "../api/pipeline.schema.ts";
import { planPipeline } from "../engine/planner/plan-pipeline.ts";
import { podRoot, startDocumentOf, startWorkerProcess } from "../../test/builders/worker-process.ts";

const samples = join(import.meta.dirname, "../../config/samples/custom-connector");
const KINDS = ["ticks", "sqlite"];

let root: Awaited<ReturnType<typeof podRoot>>;
beforeEach(async () => {
  root = await podRoot();
  await mkdir(join(root.path, "opt"));
});
afterEach(() => root.remove());

async function run(pipeline: Pipeline): Promise<{ code: number | null; why: string }> {
  const plan = planPipeline(pipeline, { parameters: {}, maxParallelism: 4 });
  const worker = await startWorkerProcess({ root: root.path, plan, start: startDocumentOf() });
  const { code } = await worker.exited;
  const why = await readFile(join(root.path, "termination-log"), "utf8").catch(() => "");
  return { code, why };
}

const inPod = (name: string, file = `${name}.ts`) => ({ name, module: { path: `/opt/${file}` }, export: name });

it("runs the sample's connectors and a function from files of the pod", async () => {
  for (const kind of KINDS) await copyFile(join(samples, `${kind}.ts`), join(root.path, "opt", `${kind}.ts`));
  await writeFile(join(root.path, "opt/names.js"), "export const part = (event) => `${event.split}-${event.n}`;\n");
  const named = 'import { part } from "./names.js";\nexport const named = (e, { emit }) => emit({ id: part(e) });\n';
  await writeFile(join(root.path, "opt/named.mjs"), named);
  const config = { splits: 2, intervalMs: 1, count: 50 };
  const { code, why } = await run({
    functions: [...KINDS.map((kind) => inPod(kind)), inPod("named", "named.mjs")],
    nodes: [
      { name: "in", source: { custom: { function: "ticks", config } } },
      { name: "x", from: ["in"], process: { function: "named" } },
      {
        name: "out",
        from: ["x"],
        sink: { custom: { function: "sqlite", config: { path: "/out.db", table: "t", id: "id" } } },
      },
      { name: "copy", from: ["x"], sink: { file: { path: "/copy" } } },
    ],
  });
  expect([code, why]).toEqual([0, ""]);
  const rows = new DatabaseSync(join(root.path, "out.db")).prepare("SELECT id FROM t").all();
  const expected = [0, 1].flatMap((split) => Array.from({ length: 50 }, (_, n) => `${split}-${n}`));
  expect(rows.map((row) => String(row["id"])).toSorted()).toEqual(expected.toSorted());
  expect(await readdir(join(root.path, "copy"))).toHaveLength(1);
});

it.each([
  [
    "is not there",
    undefined,
    "FUNCTION_INVALID",
    /function "f" \(\/opt\/f\.mjs\): the module cannot be loaded: ENOENT/,
  ],
  ["does not parse", "export const f = (;", "FUNCTION_INVALID", /the module cannot be loaded: .*[Uu]nexpected/],
  ["throws as it is loaded", "throw new Error('no');", "FUNCTION_INVALID", /the module cannot be loaded: no/],
  ["exports something else", "export const g = 1;", "FUNCTION_INVALID", /has no export "f"; it exports g/],
  [
    "throws",
    "export const f = () => {\n  throw new Error('bad');\n};",
    "FUNCTION_FAILED",
    /function "f" \(\/opt\/f\.mjs:2:9\) threw Error: bad/,
  ],
])("says where a function's module %s", async (_, text, failure, message) => {
  if (text !== undefined) await writeFile(join(root.path, "opt/f.mjs"), text);
  const { code, why } = await run({
    functions: [inPod("f", "f.mjs")],
    nodes: [
      { name: "in", source: { datagen: { count: 10 } } },
      { name: "x", from: ["in"], process: { function: "f" } },
      { name: "out", from: ["x"], sink: { blackhole: {} } },
    ],
  });
  expect(code).toBe(1);
  expect(JSON.parse(why)).toMatchObject({ code: failure, message: expect.stringMatching(message) as string });
});

it.each([
  ["a timer", "setTimeout(() => {\n  throw new Error('late');\n}, 1)"],
  ["a promise", "(async () => {\n  throw new Error('late');\n})()"],
])("says where a module throws in %s of its own, which ends the worker", async (_, text) => {
  await writeFile(join(root.path, "opt/f.mjs"), `export const f = () => void ${text};`);
  const { code, why } = await run({
    functions: [inPod("f", "f.mjs")],
    nodes: [
      { name: "in", source: { datagen: {} } },
      { name: "x", from: ["in"], process: { function: "f" } },
      { name: "out", from: ["x"], sink: { blackhole: {} } },
    ],
  });
  expect(code).toBe(1);
  const message = expect.stringMatching(/^the module f\.mjs:2:9 threw Error: late where nobody catches it/) as string;
  expect(JSON.parse(why)).toEqual({ code: "FUNCTION_FAILED", message, restartable: true });
});

it.each([
  ["is none", "export const f = { open: 1 };", /export "f" is no sink connector, it has no function open/],
  [
    "throws",
    "export const f = { open: async () => { throw new RangeError('closed'); } };",
    /node "out", function "f" \(\/opt\/f\.mjs\) threw RangeError: closed/,
  ],
])("says where a connector's export %s", async (_, text, message) => {
  await writeFile(join(root.path, "opt/f.mjs"), text);
  const { code, why } = await run({
    functions: [inPod("f", "f.mjs")],
    nodes: [
      { name: "in", source: { datagen: { count: 10 } } },
      { name: "out", from: ["in"], sink: { custom: { function: "f" } } },
    ],
  });
  expect(code).toBe(1);
  expect(why).toMatch(/FUNCTION_INVALID|SINK_UNREACHABLE/);
  expect((JSON.parse(why) as { message: string }).message).toMatch(message);
});
