import { inputOf } from "../../api/graph-check.ts";
import type { Pipeline } from "../../api/pipeline.schema.ts";
import { isWeirError, messageOf } from "../../errors.ts";
import type { Batch } from "../../engine/batch.ts";
import { compile } from "../../engine/codegen/compile.ts";
import { loadFunctions } from "../../engine/functions/loaded-function.ts";
import type { ImportModule } from "../../engine/functions/loaded-function.ts";
import type { SinkWriter } from "../../engine/connectors/connector.ts";
import type { Plan, PlanSink, PlanSource } from "../../engine/plan.ts";
import type { Program, ProgramOptions } from "../../engine/program.ts";
import { splitWatermarks } from "../../engine/runtime/split-watermarks.ts";
import { givenRows } from "./given-rows.ts";
import { compareRecords } from "./compare-records.ts";

export type PipelineTest = NonNullable<Pipeline["tests"]>[number];

/** One thing that was not as a test says, at a place of the test: `["expect", "out", 0]`. */
export interface Failure {
  readonly keys: readonly (string | number)[];
  readonly message: string;
}

export interface CaseResult {
  readonly failures: readonly Failure[];
  /** What `peek` nodes showed. */
  readonly shown: readonly string[];
  /** What came, by the names of `expect`; nothing if the test stopped. */
  readonly came: Readonly<Record<string, readonly unknown[]>>;
}

const MAX_SHOWN = 100;

/**
 * Runs a test in this process: the compiled program of the job, as a worker would run it, with one worker and one split
 * for each source. Sources are read one after the other, in the order of `input`; the watermark follows each record, and
 * when all records are read every source ends, so that all windows give their results.
 */
export async function runCase(
  { plan }: { readonly plan: Plan },
  test: PipelineTest,
  importModule: ImportModule,
): Promise<CaseResult> {
  const functions = await loadFunctions(plan, importModule).catch(messageOf);
  if (typeof functions === "string") return failed(functions);
  const taps = tapped(plan, test);
  const shown: string[] = [];
  const peek = (node: string, text: string): void => {
    if (shown.length < MAX_SHOWN) shown.push(`${node}: ${text}`);
  };
  const options = {
    slot: 0,
    slots: 1,
    sinks: new Map([...taps.writers].map(([name, { writer }]) => [name, writer])),
    parameters: plan.parameters,
    peek,
    functions,
    lookups: givenRows(plan, test),
  };
  const program = compiled(taps.plan, options);
  if (typeof program === "string") return failed(program);
  const stopped = feed(program, plan, test);
  if (stopped !== undefined) return { failures: [stopped], shown, came: {} };
  const came = Object.fromEntries(
    Object.keys(test.expect).map((name) => [name, taps.writers.get(taps.names.get(name) ?? name)?.records ?? []]),
  );
  const failures = Object.entries(test.expect).flatMap(([name, expected]) =>
    compareRecords(expected, came[name] ?? []).map(({ keys, message }) => ({
      keys: ["expect", name, ...keys],
      message,
    })),
  );
  return { failures, shown, came };
}

/** Or why a worker would not begin: a function whose timers need a key. */
function compiled(plan: Plan, options: ProgramOptions): Program | string {
  try {
    return compile(plan, options);
  } catch (e) {
    if (!isWeirError(e)) throw e;
    return e.message;
  }
}

const failed = (message: string): CaseResult => ({ failures: [{ keys: ["name"], message }], shown: [], came: {} });

interface Collected {
  readonly writer: SinkWriter;
  readonly records: unknown[];
}

/** The plan with a sink more at every output that the test looks at, and what the sinks get. */
function tapped(plan: Plan, test: PipelineTest) {
  const own = new Set(plan.sinks.map((sink) => sink.node));
  const names = new Map<string, string>();
  const extra: PlanSink[] = [];
  for (const name of Object.keys(test.expect)) {
    if (own.has(name)) continue;
    const input = inputOf(name);
    // No node is called so: a name has no dots.
    const node = `tap.${input.node}.${input.output}`;
    names.set(name, node);
    if (!extra.some((sink) => sink.node === node))
      extra.push({ node, connector: "test", config: {}, secretRef: null, inputs: [input], key: null, onError: "Fail" });
  }
  const sinks = [...plan.sinks, ...extra];
  const writers = new Map(sinks.map((sink) => [sink.node, collecting()]));
  return { plan: { ...plan, sinks }, names, writers };
}

function collecting(): Collected {
  const records: unknown[] = [];
  const writer: SinkWriter = {
    append: ({ value, start, end }) => {
      records.push(end < start ? null : jsonOf(value.toString("utf8", start, end)));
    },
    saturated: () => false,
    onDrain: () => {},
    flush: () => Promise.resolve(),
    counters: () => ({ records: records.length, bytes: 0 }),
    close: () => Promise.resolve(),
  };
  return { writer, records };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The failure that stopped it, if one did. */
function feed(program: Program, plan: Plan, test: PipelineTest): Failure | undefined {
  let at: Failure["keys"] = ["name"];
  try {
    const end = (node: string): void => {
      program.end(node);
      letThrough(program);
    };
    for (const { node } of plan.sources) if (!Object.hasOwn(test.input, node)) end(node);
    const isTable = ([name]: readonly [string, unknown]): boolean =>
      plan.sources.some((s) => s.node === name && s.broadcast === true);
    const given = Object.entries(test.input);
    for (const [name, records] of given.toSorted((a, b) => Number(isTable(b)) - Number(isTable(a)))) {
      const source = plan.sources.find((s) => s.node === name);
      if (source === undefined) continue;
      const give = reader(program, source);
      for (const [i, record] of records.entries()) {
        at = ["input", name, i];
        give(record, i);
      }
    }
    at = ["name"];
    for (const { node } of plan.sources) end(node);
    return undefined;
  } catch (e) {
    return { keys: at, message: messageOf(e) };
  }
}

/** Gives a source's records to the program, and moves its watermark. */
function reader(program: Program, source: PlanSource): (record: unknown, i: number) => void {
  const input = program.inputs.get(source.node);
  const watermarks = watermarksOf(source);
  return (record, i) => {
    input?.process(oneRecord(record, i, `${source.node}[${i}]`));
    if (source.eventTime !== null) {
      watermarks.observe(0, input?.maxEventTime ?? Number.NEGATIVE_INFINITY);
      program.advanceWatermark(source.node, watermarks.current());
    }
    letThrough(program);
  };
}

/** Nothing waits in a buffer: a test has no slow node. */
function letThrough({ buffers }: Program): void {
  while (buffers.toReversed().some((buffer) => buffer.step()));
}

const watermarksOf = ({ eventTime }: PlanSource) =>
  splitWatermarks(
    [0],
    { maxOutOfOrdernessMs: eventTime?.maxOutOfOrdernessMs ?? 0, idleTimeoutMs: 0 },
    { splits: new Map(), watermark: Number.NEGATIVE_INFINITY },
  );

/** As a source would hand it over; a record's own timestamp, where event time is no field of it, is its number in ms. */
function oneRecord(record: unknown, ts: number, name: string): Batch {
  const buf = Buffer.from(JSON.stringify(record));
  return {
    split: 0,
    n: 1,
    buf,
    off: Int32Array.of(0),
    len: Int32Array.of(buf.length),
    ts: Float64Array.of(ts),
    key: undefined,
    describe: () => name,
  };
}
