import type { PlanSource } from "../plan.ts";
import type { At, ChainWriter } from "./chain.ts";
import { decodeSource, ProjectedFields } from "./projected-fields.ts";

/** Where a chain begins: at a source, or at a buffer, whose records were sound when they went in. */
export type ChainStart = Pick<PlanSource, "node" | "eventTime" | "onError"> & {
  /** Whether its records are decoded: something reads a field of them. */
  readonly decoded: boolean;
  /** Whether there may be a record without a value. */
  readonly sound: boolean;
};

/**
 * The function of one source: takes a batch, finds the fields of each record, and runs the chain on it. The chain is
 * written first: what it reads is what the projector looks for.
 */
export function sourceFunction(chain: ChainWriter, source: ChainStart): string {
  const { decoded, sound } = source;
  const n = chain.index(source.node);
  const fields = new ProjectedFields("b");
  const { slot } = fields;
  const at: At = {
    shape: { kind: "record", slot },
    raw: { buffer: "b", start: "start", end: "end", made: ROW_BYTES },
    row: "row",
    where: "batch.describe(i)",
  };
  const body = chain.readers(source.node, "out", at);
  const dead = chain.readers(source.node, "dead", at);
  const eventTime = eventTimeSource(source, slot);
  const read = paths(fields);
  chain.reads.set(source.node, read);
  const failed =
    source.onError === "Fail"
      ? `throw R.malformed(${JSON.stringify(source.node)}, batch.describe(i), problem);`
      : `${source.onError === "Dead" ? dead : ""} continue;`;
  return `const L${n} = new Layouts(${JSON.stringify(read)});
function source${n}(batch) {
  const n = batch.n, rows = batch.rows, off = batch.off, len = batch.len, times = batch.ts, split = batch.split;
  let newest = -Infinity, b = batch.buf, p = 0, r = 0, w = 0, ob = o.bytes;
  ${decoded ? `L${n}.begin(b, n);` : ""}
  for (let i = 0; i < n; i++) {
    let start = -1, end = -1, row, ts = times[i], problem;
    C${n}.in++;
    ${fields.declared()}
    if (rows === undefined) {
      start = off[i];
      end = start + len[i];
      ${decoded ? decodeSource(fields.all(), parseSource, `L${n}`) : sound ? "" : "if (end < start) problem = R.noValue;"}
    } else {
      row = rows[i];
      ${fields.ofRow("row")}
    }
    ${eventTime}
    if (problem !== undefined) { C${n}.errors++; ${failed} }
    if (ts > newest) newest = ts;
    ${body}
  }
  return newest;
}`;
}

const paths = (fields: ProjectedFields): (readonly string[])[] => fields.all().map(({ path }) => path);

/** The bytes of a record that came as an object, when somebody needs them first. */
const ROW_BYTES = "if (row !== undefined && start < 0) { end = rowBytes(row); b = rowScratch.bytes; start = 0; }";

/** What the tokenizer does not take, JSON.parse decides. */
export const parseSource = (picks: string): string =>
  `try { const value = R.parse(batch, i); ${picks} } catch (error) { problem = error; }`;

export function eventTimeSource(source: ChainStart, slot: ProjectedFields["slot"]): string {
  const path = source.eventTime?.field ?? null;
  if (path === null) return "";
  const { type, start, end, js } = slot(path);
  return `if (problem === undefined) {
      ts = ${type} === 3 ? plainInt(b, ${start}, ${end}) : R.eventTime(${js});
      if (ts !== ts) { ts = times[i]; problem = R.noEventTime(${JSON.stringify(path.join("."))}); }
    }`;
}
