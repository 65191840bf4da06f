import type { Side } from "../joins/row.ts";
import type { PlanNode } from "../plan.ts";
import { usesProcessingTime } from "../processing-time.ts";
import type { ProgramGraph, Reader } from "../program-graph.ts";
import { ChainWriter } from "./chain.ts";
import type { At, ChainTables, Fail, Guarded } from "./chain.ts";
import { joinWanted } from "./join-source.ts";
import { tellKey } from "./key-source.ts";
import { decodeSource, ProjectedFields } from "./projected-fields.ts";
import { eventTimeSource, parseSource } from "./source-function.ts";
import type { ChainStart } from "./source-function.ts";
import { keyed } from "./table-source.ts";

/**
 * Writes a chain that changes nothing: it follows each event to the nodes whose state is in a database, and tells them
 * its key. A key that it does not find, below an aggregate or a function, is read when its record comes, one by one.
 */
export class AheadWriter extends ChainWriter {
  /** Nodes whose state is in a database. */
  readonly stored: ReadonlySet<string>;

  constructor(graph: ProgramGraph, tables: ChainTables, stored: ReadonlySet<string>) {
    super(graph, tables);
    this.stored = stored;
  }

  /** Whether anything that is read from there is in a database. */
  leads(node: string, output = "out"): boolean {
    return this.graph.readers(node, output).some((reader) => reader.kind === "node" && this.goesOn(reader.node));
  }

  private goesOn(node: PlanNode): boolean {
    if (this.stored.has(node.name)) return true;
    if (!FOLLOWED.has(node.kind)) return false;
    return outputsOf(node).some((output) => this.leads(node.name, output));
  }

  override readers(node: string, output: string, at: At): string {
    if (output === "dead" || output === "late") return "";
    const readers = this.graph.readers(node, output).filter((r) => r.kind === "node" && this.goesOn(r.node));
    return readers.map((reader) => this.reader(reader, at)).join("\n");
  }

  protected override reader(reader: Reader, at: At): string {
    return reader.kind === "node" ? this.node(reader.node, at, reader.side) : "";
  }

  protected override node(node: PlanNode, at: At, side: Side): string {
    if (node.kind === "peek") return this.readers(node.name, "out", at);
    if (!this.stored.has(node.name) || !("keying" in node)) return super.node(node, at, side);
    if (node.kind === "join") return joinWanted(this, node, at, side);
    const { n, keys, hash, declared, step } = keyed(this, node, at);
    const ts = usesProcessingTime(node) ? "T.now" : "ts";
    const state = `W${this.index(node.name)}`;
    const want = `${tellKey(state, keys, hash)}\n${state}.want(shard${n}, ${ts});`;
    const passed = node.kind === "dedup" ? this.readers(node.name, "out", at) : "";
    return `{ ${this.guarded(node, at, { declared, step }, `${want}\n${passed}`)} }`;
  }

  /** What fails now fails again, and is counted then. */
  override guarded(
    _node: Guarded,
    _at: At,
    { declared, step }: { declared: readonly string[]; step: (fail: Fail) => string },
    then: string,
  ): string {
    const n = this.id();
    const body = step((value) => `{ f${n} = ${value}; break g${n}; }`);
    return `let ${[...declared, `f${n}`].join(", ")};
g${n}: { ${body} }
if (f${n} === undefined) {\n${then}\n}`;
  }
}

/** Nodes that give an event at once for one that comes, whatever came before. */
const FOLLOWED: ReadonlySet<PlanNode["kind"]> = new Set([
  "filter",
  "map",
  "branch",
  "union",
  "select",
  "drop",
  "flatMap",
  "peek",
  "rateLimit",
]);

function outputsOf(node: PlanNode): string[] {
  if (node.kind !== "branch") return ["out"];
  return [...node.cases.map(({ name }) => name), ...(node.otherwise === null ? [] : [node.otherwise])];
}

/** The function of one source that goes over a batch before `sourceFunction` does. */
export function aheadFunction(chain: AheadWriter, source: ChainStart): string {
  const fields = new ProjectedFields("b");
  const at: At = {
    shape: { kind: "record", slot: fields.slot },
    raw: { buffer: "b", start: "start", end: "end" },
    where: "batch.describe(i)",
  };
  const body = chain.readers(source.node, "out", at);
  const eventTime = eventTimeSource(source, fields.slot);
  return `function ahead${chain.index(source.node)}(batch) {
  const n = batch.n, b = batch.buf, off = batch.off, len = batch.len, times = batch.ts, split = batch.split;
  let p = 0, r = 0, w = 0;
  for (let i = 0; i < n; i++) {
    const start = off[i], end = start + len[i];
    let ts = times[i], problem;
    ${fields.declared()}
    ${source.decoded ? decodeSource(fields.all(), parseSource) : ""}
    ${eventTime}
    if (problem !== undefined) continue;
    ${body}
  }
}`;
}
