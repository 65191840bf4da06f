import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dispatch } from "../cli/command.ts";
import type { Finding } from "../cli/lint/finding.ts";
import { WARNINGS } from "../cli/lint/job-warnings.ts";
import { checkCommands } from "./check-commands.ts";

const repository = join(import.meta.dirname, "../..");
const fixtures = join(repository, "test/fixtures/lint");
const samples = join(repository, "config/samples");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-check-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function weir(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: "", err: "" };
  const io = {
    out: (line: string) => void (said.out += `${line}\n`),
    err: (line: string) => void (said.err += `${line}\n`),
    colour: false,
  };
  return { code: await dispatch(checkCommands, argv, io), ...said };
}

const fixture = (name: string): string => join(fixtures, `${name}.yaml`);

describe("weir lint", () => {
  it("refuses a file whose bytes are no UTF-8, where they are not", async () => {
    const file = join(folder, "latin1.yaml");
    writeFileSync(file, Buffer.from("kind: x\nwhere: 'Gr\u00FC\u00DFe'\n", "latin1"));
    const { code, out } = await weir("lint", file);
    expect(out).toContain("latin1.yaml:2:11: error: this character is not UTF-8; save the file as UTF-8");
    expect(code).toBe(1);
  });

  const broken = readdirSync(fixtures).filter((file) => file.endsWith(".yaml"));

  it.each(broken)("says of %s what is wrong and where", async (file) => {
    const { code, out } = await weir("lint", join(fixtures, file));
    const said = out.replaceAll(`${fixtures}/`, "");
    if (process.env["WEIR_WRITE_FIXTURES"] === "1") writeFileSync(join(fixtures, file.replace(/yaml$/, "txt")), said);
    expect(said).toBe(readFileSync(join(fixtures, file.replace(/yaml$/, "txt")), "utf8"));
    expect(code).toBe(/^0 errors/m.test(said) ? 0 : 1);
  });

  it("finds nothing in the samples", async () => {
    const { code, out } = await weir("lint", "--strict", samples);
    expect(out).toMatch(/^0 errors, 0 warnings in \d+ objects of \d+ files/);
    expect(code).toBe(0);
  });

  it("finds policies of several files that want the same of one job, as the operator does", async () => {
    const place = mkdtempSync(join(folder, "policies-"));
    const policy = (name: string, spec: string, namespace = "default"): void =>
      writeFileSync(
        join(place, `${name}.yaml`),
        `{apiVersion: weir.dev/v1alpha1, kind: ControlPolicy, metadata: {name: ${name}, namespace: ${namespace}}, spec: ${spec}}`,
      );
    const rule = `{name: r, condition: "event.type == 'metrics'", action: scale, params: {parallelism: 2}}`;
    policy("a", `{jobs: [etl], rules: [${rule}]}`);
    policy("b", `{selector: {matchLabels: {team: data}}, rules: [${rule}]}`);
    policy("c", `{jobs: [etl], priority: 1, rules: [${rule}]}`);
    policy("d", `{jobs: [etl], rules: [${rule}]}`, "elsewhere");
    policy("idle", `{jobs: [etl], mode: Disabled, rules: [${rule}]}`);
    expect((await weir("lint", place)).out).toMatch(/^0 errors, 0 warnings in 5 objects of 5 files/);
    writeFileSync(
      join(place, "job.yaml"),
      `{apiVersion: weir.dev/v1alpha1, kind: StreamingJob, metadata: {name: etl, namespace: default, labels: {team: data}},
spec: {pipeline: {nodes: [{name: in, source: {datagen: {}}}, {name: out, from: [in], sink: {blackhole: {}}}]}}}`,
    );
    policy("e", "{jobs: [elsewhere], stopWhen: \"event.type == 'failed'\"}");
    policy("f", "{jobs: [elsewhere], stopWhen: \"event.type == 'failed'\"}");
    const { out, code } = await weir("lint", place);
    expect(out.replaceAll(`${place}/`, "").split("\n")).toEqual([
      expect.stringMatching(
        /^b\.yaml:1:\d+: error: spec\.priority: job "etl" has two policies .* "a" and "b"; .*\[POLICY_CONFLICT\]$/,
      ),
      expect.stringMatching(/^f\.yaml:1:\d+: error: spec\.priority: job "elsewhere" has two policies .* "e" and "f"; /),
      "2 errors, 0 warnings in 8 objects of 8 files",
      "",
    ]);
    expect(code).toBe(1);
  });

  it("fails for warnings only when it is asked to", async () => {
    expect((await weir("lint", fixture("warnings"))).code).toBe(0);
    expect((await weir("lint", "--strict", fixture("warnings"))).code).toBe(1);
  });

  it("gives the same as JSON", async () => {
    const { code, out } = await weir("lint", "-o", "json", fixture("graph"));
    const { findings, objects } = JSON.parse(out) as { findings: Finding[]; objects: number };
    expect(objects).toBe(1);
    expect(findings[0]).toEqual({
      file: fixture("graph"),
      line: 10,
      column: 31,
      severity: "error",
      code: "PIPELINE_INVALID",
      object: "StreamingJob/x",
      path: "spec.pipeline.nodes[events].source.connection",
      message: 'no connection is called "mian" in spec.pipeline.connections; there are main',
    });
    expect(code).toBe(1);
  });

  it.each([
    ["nothing", [], "name files or folders, or - for standard input"],
    ["a file that is not there", ["/nowhere.yaml"], "cannot read /nowhere.yaml: ENOENT"],
    ["another format", ["-o", "xml", "x.yaml"], "-o is text or json, not xml"],
  ])("answers %s with how it is used", async (_, args, message) => {
    const { code, err } = await weir("lint", ...args);
    expect(err).toContain(message);
    expect(err).toContain("usage: weir lint FILE|FOLDER|-…");
    expect(code).toBe(2);
  });

  it("writes JUnit's XML: a suite for each file, a case for each finding that counts", async () => {
    const file = join(folder, "lint.xml");
    const report = async (...args: string[]): Promise<string> => {
      await weir("lint", fixture("graph"), fixture("warnings"), ...args, "--junit", file);
      return readFileSync(file, "utf8").replaceAll(`${fixtures}/`, "");
    };
    const xml = await report();
    const [, tests, failures] = /^<\?xml[^>]+>\n<testsuites tests="(\d+)" failures="(\d+)"/.exec(xml) ?? [];
    expect(Number(tests)).toBe(Number(failures) + 1);
    expect(xml).toContain('<testcase name="10:31 PIPELINE_INVALID" classname="graph.yaml" file="graph.yaml" line="10"');
    expect(xml).toContain('<failure message="no connection is called &quot;mian&quot; in spec.pipeline.connections');
    expect(xml).toContain('<testcase name="nothing found" classname="warnings.yaml" file="warnings.yaml" line="1"');
    const strict = await report("--strict");
    expect(strict).not.toContain("nothing found");
    expect(strict).toMatch(/<testcase name="\d+:\d+ state-grows" classname="warnings.yaml"/);
  });

  it("says that a folder has no manifests", async () => {
    const { code, err } = await weir("lint", mkdtempSync(join(folder, "empty-")));
    expect(err).toMatch(/empty-\w+ has no \.yaml, \.yml or \.json file/);
    expect(code).toBe(2);
  });

  it("has each warning in the reference, and an example of it in the fixtures", () => {
    const page = readFileSync(join(repository, "docs/reference/lint.md"), "utf8");
    const rows = [...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
    expect(new Set(rows)).toEqual(new Set(WARNINGS));
    const shown = readFileSync(join(fixtures, "warnings.txt"), "utf8");
    expect(WARNINGS.filter((code) => !shown.includes(`[${code}]`))).toEqual([]);
  });
});

describe("weir test", () => {
  it("runs functions from the files beside the job, and lint does not run them", async () => {
    const job = join(folder, "job.yaml");
    writeFileSync(
      job,
      `apiVersion: weir.dev/v1alpha1
kind: StreamingJob
metadata: {name: own}
spec:
  pipeline:
    functions: [{name: twice, module: {configMapRef: {name: code, key: twice.mjs}}}]
    nodes:
      - {name: events, source: {datagen: {}}}
      - {name: doubled, from: [events], process: {function: twice}}
      - {name: out, from: [doubled], sink: {blackhole: {}}}
    tests: [{name: doubles, input: {events: [{v: 4}]}, expect: {out: [{v: 8}]}}]
`,
    );
    expect((await weir("test", job)).out).toContain(
      `there is no ${join(folder, "twice.mjs")}; a test takes the module`,
    );
    const code = `if (globalThis.lints) throw new Error("lint ran it");
export default ({v}, {emit}) => emit({v: v * 2});`;
    writeFileSync(join(folder, "twice.mjs"), code);
    Object.assign(globalThis, { lints: true });
    expect((await weir("lint", job)).out).toMatch(/^0 errors/);
    Object.assign(globalThis, { lints: false });
    expect((await weir("test", job)).out).toContain("1 passed, 0 failed");
  });

  it("says at the case why a function cannot run, and goes on with the next", async () => {
    const place = mkdtempSync(join(folder, "odd-"));
    writeFileSync(
      join(place, "odd.mjs"),
      `export const timed = {onRecord: () => {}, onTimer: () => {}};
export const deep = (_, {emit}) => {
  emit({a: [[[[[[[[[[[[NaN]]]]]]]]]]]]});
};`,
    );
    const job = (name: string): string => `apiVersion: weir.dev/v1alpha1
kind: StreamingJob
metadata: {name: ${name}}
spec:
  pipeline:
    functions: [{name: f, module: {path: /odd.mjs}, export: ${name}}]
    nodes:
      - {name: events, source: {datagen: {}}}
      - {name: own, from: [events], process: {function: f}}
      - {name: out, from: [own], sink: {blackhole: {}}}
    tests: [{name: one, input: {events: [{v: 4}]}, expect: {out: []}}]
`;
    writeFileSync(join(place, "job.yaml"), `${job("timed")}---\n${job("deep")}`);
    const { code, out } = await weir("test", place);
    expect(out).toContain('function "f" (/odd.mjs) has onTimer; add keyBy to the node');
    expect(out).toContain("threw TypeError: the record that it emits is NaN at a.0.0");
    expect([code, out.includes("0 passed, 2 failed")]).toEqual([1, true]);
  });

  it("runs the tests of the samples", async () => {
    const { code, out } = await weir("test", samples);
    expect(out).toMatch(
      /quickstart\/job\.yaml: realtime-etl\n {2}✓ ten-seconds-of-a-tenant-are-one-result \(\d+\.\d ms\)\n/,
    );
    expect(out).toMatch(/\n3 passed, 0 failed\n$/);
    expect(code).toBe(0);
  });

  it("shows at the expectation what came instead, and goes on with the next case", async () => {
    const { code, out } = await weir("test", fixture("tests"));
    expect(out.match(/^ {2}[✓✗] [a-z-]+/gm)).toEqual([
      "  ✓ holds",
      "  ✗ one-field-is-wrong",
      "  ✗ one-is-missing-and-one-too-many",
      "  ✗ stops",
      "  ✓ null-is-a-value-of-records",
    ]);
    expect(out).toContain(
      'tests.yaml:27:18: error: spec.pipeline.tests[one-field-is-wrong].expect.out[0].n: n is 1 instead of 2 in {"id":1,',
    );
    expect(out).toMatch(/\n2 passed, 3 failed\n$/);
    expect(code).toBe(1);
  });

  it("does not run what would be refused, and fails", async () => {
    const { code, out } = await weir("test", fixture("graph"));
    expect(out).toContain('there is no node "cold"');
    expect(out).toMatch(/\n0 passed, 0 failed; what was refused was not run\n$/);
    expect(code).toBe(1);
  });

  it("writes JUnit's XML", async () => {
    const file = join(folder, "report.xml");
    await weir("test", fixture("tests"), fixture("graph"), "--junit", file);
    const xml = readFileSync(file, "utf8")
      .replaceAll(/time="[\d.]+"/g, 'time="…"')
      .replaceAll(`${fixtures}/`, "");
    expect(xml).toMatch(
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites tests="11" failures="9" errors="0" skipped="0" time="…">/,
    );
    expect(xml).toContain('<testcase name="holds" classname="tests.yaml: x" file="tests.yaml" line="13" time="…"/>');
    expect(xml).toContain('<failure message="n is 1 instead of 2 in {&quot;id&quot;:1,');
    expect(xml).toContain(
      '<testcase name="is admitted" classname="graph.yaml: StreamingJob/x" file="graph.yaml" line="10"',
    );
    expect(xml.match(/<(?!\?|\/)[a-z]+[^>]*[^/]>/g)?.length).toBe(xml.match(/<\/[a-z]+>/g)?.length);
  });

  it("tells a report that cannot be written from tests that fail", async () => {
    const { code, err } = await weir("test", fixture("tests"), "--junit", join(folder, "nowhere/report.xml"));
    expect(err).toMatch(/cannot write .*nowhere\/report\.xml: ENOENT/);
    expect(code).toBe(2);
  });

  it("shows what peek nodes show", async () => {
    const file = join(folder, "peek.yaml");
    writeFileSync(
      file,
      `apiVersion: weir.dev/v1alpha1
kind: StreamingJob
metadata: { name: x }
spec:
  pipeline:
    nodes:
      - { name: events, source: { datagen: {} } }
      - { name: look, from: [events], peek: { message: "'id ' + event.id" } }
      - { name: out, from: [look], sink: { stdout: {} } }
    tests: [{ name: looked, input: { events: [{ id: a }] }, expect: { look: [{ id: a }], out: [{ id: a }] } }]
`,
    );
    const { out } = await weir("test", file);
    expect(out).toMatch(/✓ looked .*\n {6}look: "?id a"?\n/);
  });
});
