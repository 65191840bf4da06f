import { WeirError } from "../../errors.ts";
import { plainPath } from "../planner/field-path.ts";
import type { Variable } from "../planner/field-path.ts";
import type { Keying, OnError, PlanNode, PlanSink } from "../plan.ts";
import type { ProgramGraph, Reader } from "../program-graph.ts";
import { aggregateSource } from "./aggregate-source.ts";
import type { Side } from "../joins/row.ts";
import { broadcastSource } from "./broadcast-source.ts";
import { bufferSource } from "./buffer-source.ts";
import { builtSource, copiedField } from "./built-source.ts";
import type { Building } from "./built-source.ts";
import { emitExpression } from "./emit-expression.ts";
import { exchangeSource } from "./exchange-source.ts";
import { joinSource } from "./join-source.ts";
import { lookupSource } from "./lookup-source.ts";
import { keyedProcessSource, processSource } from "./process-source.ts";
import { dropSource, flatMapSource, peekSource, selectSource } from "./record-operators.ts";
import { recordSource } from "./serializer.ts";
import { locate, readSource } from "./shape.ts";
import type { SoughtNames } from "./sought-keys.ts";
import { textTest } from "./text-test.ts";
import type { Leaf, Shape, Slot } from "./shape.ts";
import { dedupSource, topSource } from "./table-source.ts";

/** A union reached over many paths is generated once per path; a graph that explodes is refused. */
const MAX_STEPS = 2000;

/** Indices under which the generated code finds a node's runtime parts in `R`. */
export interface ChainTables {
  readonly nodes: ReadonlyMap<string, number>;
  readonly maxParallelism: number;
  /** Sinks that take records as objects, too. */
  readonly rowSinks: ReadonlySet<string>;
}

interface RawBytes {
  readonly buffer: string;
  readonly start: string;
  readonly end: string;
  /** Statement that must come before they are read. */
  readonly made?: string;
}

/** The event at a point of the chain. `raw` are its own bytes while it is unchanged; `where` tells its position. */
export interface At {
  readonly shape: Shape;
  readonly raw: RawBytes | undefined;
  /** Variable of the object that the record came as, undefined where it came as bytes; absent below state. */
  readonly row?: string | undefined;
  readonly where: string;
  /** What expressions call the event; default `event`. */
  readonly variable?: Variable;
}

export type NodeOf<K extends PlanNode["kind"]> = Extract<PlanNode, { kind: K }>;

/**
 * Writes the body of one chain: everything that happens to one event, as nested statements without a call per node.
 * No text of the user's gets into it except through JSON.stringify and the emitter of expressions.
 */
export class ChainWriter {
  readonly tables: ChainTables;
  /** By chain, the fields that it looks for in a record; an empty path is all of it. */
  readonly reads = new Map<string, readonly (readonly string[])[]>();
  /** Sinks to which some records go as the bytes that they came in. */
  readonly passed = new Set<string>();
  /** By table, the keys of the source's records that are known before they are processed, and of which shape those are. */
  readonly sought = new Map<string, { readonly names: SoughtNames; readonly shape: Shape }>();
  protected readonly graph: ProgramGraph;
  private ids = 0;

  constructor(graph: ProgramGraph, tables: ChainTables) {
    this.graph = graph;
    this.tables = tables;
  }

  id(): number {
    if (this.ids++ > MAX_STEPS)
      throw new WeirError("PIPELINE_INVALID", "the pipeline joins its branches over too many paths; split it");
    return this.ids;
  }

  /** Statements for everybody who reads an output. */
  readers(node: string, output: string, at: At): string {
    const count = output === "dead" || output === "late" ? "" : `C${this.index(node)}.out++;\n`;
    return (
      count +
      this.graph
        .readers(node, output)
        .map((r) => this.reader(r, at))
        .join("\n")
    );
  }

  protected reader(reader: Reader, at: At): string {
    if (reader.kind === "sink") return this.sink(reader.sink, at);
    if (reader.kind === "buffer") return bufferSource(this, reader.buffer, at);
    const { node } = reader;
    const counted = `C${this.index(node.name)}.in++;\n`;
    return counted + this.node(node, at, reader.side);
  }

  index(node: string): number {
    return this.tables.nodes.get(node) ?? -1;
  }

  protected node(node: PlanNode, at: At, side: Side): string {
    switch (node.kind) {
      case "join":
        return joinSource(this, node, at, side);
      case "broadcast":
        return broadcastSource(this, node, at, side);
      case "union":
        return this.readers(node.name, "out", at);
      case "filter":
        return this.filter(node, at);
      case "branch":
        return this.branch(node, at);
      case "map":
        return this.map(node, at);
      case "windowAggregate":
      case "keyedAggregate":
        return aggregateSource(this, node, at);
      case "dedup":
        return dedupSource(this, node, at);
      case "topN":
        return topSource(this, node, at);
      case "select":
        return selectSource(this, node, at);
      case "drop":
        return dropSource(this, node, at);
      case "flatMap":
        return flatMapSource(this, node, at);
      case "peek":
        return peekSource(this, node, at);
      case "rateLimit":
        return this.readers(node.name, "out", at);
      case "lookup":
        return lookupSource(this, node, at);
      case "process":
        return processSource(this, node, at);
      case "keyedProcess":
        return keyedProcessSource(this, node, at);
    }
  }

  private filter(node: NodeOf<"filter">, at: At): string {
    const x = `x${this.id()}`;
    const declared = [x];
    const condition = this.expression(node.condition, at, declared);
    const step = (fail: Fail): string => `${x} = ${condition};\n${boolTest(x, fail)}`;
    const then = `if (${x}) {\n${this.readers(node.name, "out", at)}\n}`;
    return this.guarded(node, at, { declared, step }, then);
  }

  private branch(node: NodeOf<"branch">, at: At): string {
    const x = `x${this.id()}`;
    const y = `y${x}`;
    const declared = [x, y];
    const conditions = node.cases.map((c) => this.expression(c.when, at, declared));
    const step = (fail: Fail): string => {
      const tests = conditions.map(
        (when, i) => `${y} = ${when};
${boolTest(y, fail)} if (${y}) ${x} = ${i}; else {`,
      );
      return `${tests.join(" ")} ${x} = ${conditions.length}; ${"}".repeat(conditions.length)}`;
    };
    const outputs = [...node.cases.map((c) => c.name), ...(node.otherwise === null ? [] : [node.otherwise])];
    const cases = outputs.map((o, i) => `case ${i}: {\n${this.readers(node.name, o, at)}\n} break;`);
    return this.guarded(node, at, { declared, step }, `switch (${x}) {\n${cases.join("\n")}\n}`);
  }

  private map(node: NodeOf<"map">, at: At): string {
    const copy = (expression: string, building: Building): Leaf | undefined => {
      const copied = this.copied(expression, at);
      return copied === undefined ? undefined : copiedField(copied, expression, building);
    };
    return builtSource(this, node, { at, fields: node.fields, copy });
  }

  /** The shard of a key: its source's split where that is declared to hold it, else a hash of it. */
  shardSource(keying: Keying, hash: string): string {
    return keying === "local" ? `shardOf(${hash}, ${this.tables.maxParallelism})` : "split";
  }

  /** The leaf of a field that an expression copies unchanged. */
  copied(expression: string, at: At): Leaf | undefined {
    const path = plainPath(expression, at.variable);
    if (path === undefined) return undefined;
    const place = locate(at.shape, path);
    return place.kind === "leaf" && place.rest.length === 0 ? place.leaf : undefined;
  }

  /** JavaScript of an expression; what it needs to have declared goes into `declared`. */
  expression(text: string, at: At, declared: string[]): string {
    const read = (path: readonly string[]): string => readSource(at.shape, path);
    const emitted = emitExpression(text, {
      read,
      textTest: (path, literal) => textTest(at.shape, path, literal),
      record: at.variable ?? "event",
      prefix: `x${this.id()}_`,
    });
    declared.push(...emitted.temps);
    return emitted.code;
  }

  /**
   * A step that can fail on a record, what happens when it does, and what goes on when it does not. The step leaves by
   * the statement that `fail` makes.
   */
  guarded(node: Guarded, at: At, { declared, step }: Step, then: string): string {
    const n = this.id();
    const c = `C${this.index(node.name)}`;
    const body = step((value) => `{ f${n} = ${value}; break g${n}; }`);
    const dead = node.onError === "Dead" ? this.readers(node.name, "dead", at) : "";
    const failed = node.onError === "Fail" ? `throw R.failed(${JSON.stringify(node.name)}, ${at.where}, f${n});` : dead;
    return `let ${[...declared, `f${n}`].join(", ")};
g${n}: { ${body} }
if (f${n} === undefined) {\n${then}\n} else { ${c}.errors++; ${failed} }`;
  }

  private sink(sink: PlanSink, at: At): string {
    const { exchange } = sink;
    if (exchange !== undefined) return exchangeSource(this, sink, { exchange, at });
    const k = this.index(sink.node);
    const c = `C${this.index(sink.node)}`;
    if (at.raw !== undefined) this.passed.add(sink.node);
    const takesRows = this.tables.rowSinks.has(sink.node);
    const value = recordSource(takesRows ? at : { ...at, row: undefined }, "rec", "value");
    const append = `${value}\nrec.ts = ts; S${k}.append(rec); ${c}.out++;`;
    const { key, headers } = sink;
    if (headers !== undefined) return this.describedSink(sink, { at, headers, append });
    if (key === null) return `{ ${c}.in++;\nrec.key = undefined; rec.keyEnd = -1;\n${append} }`;
    const declared: string[] = [];
    const step = this.recordKey(key, at, declared);
    return `{ ${c}.in++;\n${this.guarded({ name: sink.node, onError: sink.onError }, at, { declared, step }, append)} }`;
  }

  /** All that can fail comes before the record is touched: another sink gets it next. */
  private describedSink(sink: PlanSink, { at, headers, append }: DescribedSink): string {
    const declared: string[] = [];
    const key =
      sink.key === null ? () => "rec.key = undefined; rec.keyEnd = -1;" : this.recordKey(sink.key, at, declared);
    const values = headers.map(({ name, expression }) => {
      const h = `h${this.id()}`;
      declared.push(h);
      return { h, name, code: this.expression(expression, at, declared) };
    });
    const step = (fail: Fail): string =>
      [...values.map(({ h, code }) => `${h} = ${code}; if (${h} instanceof Failure) ${fail(h)}`), key(fail)].join("\n");
    const listed = values.map(({ h, name }) => `[${JSON.stringify(name)}, ${h}]`).join(", ");
    const then = `rec.headers = R.headers([${listed}]);\n${append}\nrec.headers = undefined;`;
    return `{ C${this.index(sink.node)}.in++;\n${this.guarded({ name: sink.node, onError: sink.onError }, at, { declared, step }, then)} }`;
  }

  private recordKey(text: string, at: At, declared: string[]): (fail: Fail) => string {
    const k = `k${this.id()}`;
    const slot = this.copied(text, at)?.slot;
    const value = this.expression(text, at, declared);
    return (fail) => {
      const general = `const ${k} = ${value}; if (${k} instanceof Failure) ${fail(k)} R.recordKey(rec, ${k});`;
      return slot === undefined ? general : `${plainKey(slot)} else { ${general} }`;
    };
  }
}

interface DescribedSink {
  readonly at: At;
  readonly headers: NonNullable<PlanSink["headers"]>;
  readonly append: string;
}

/** Makes the statement that leaves a step with a failure. */
export type Fail = (value: string) => string;

/** A node whose step can fail on a record. */
export interface Guarded {
  readonly name: string;
  readonly onError: OnError;
}

interface Step {
  /** Variables that the step and what follows it use. */
  readonly declared: readonly string[];
  readonly step: (fail: Fail) => string;
}

const boolTest = (x: string, fail: Fail): string => `if (${x} !== true && ${x} !== false) ${fail(`R.notBool(${x})`)}`;

/** A key that is a plain text or number goes out as the bytes it came in, without its quotes; so does a list from state. */
function plainKey({ buffer, start, end, type, canonical }: Slot): string {
  const set = (from: string, to: string): string =>
    `{ rec.key = ${buffer}; rec.keyStart = ${from}; rec.keyEnd = ${to}; }`;
  return `if (${type} === 1) ${set(`${start} + 1`, `${end} - 1`)} else if (${type} === 3${canonical ? ` || ${type} === 9` : ""}) ${set(start, end)}`;
}
