import type { PlanSource } from "../plan.ts";
import type { At, ChainWriter } from "./chain.ts";
import { decodeSource, pickSource, ProjectedFields, scanSource } from "./projected-fields.ts";
import { BLOCK, seekSource, soughtNames } from "./sought-keys.ts";
import type { Sought } from "./sought-keys.ts";

/** Where a chain begins: at a source, or at a buffer, whose records were sound when they went in. */
export type ChainStart = Pick<PlanSource, "node" | "eventTime" | "onError"> & {
  /** Whether its records are decoded: something reads a field of them. */
  readonly decoded: boolean;
};

/**
 * The function of one source: takes a batch, finds the fields of each record, and runs the chain on it. The chain is
 * written first: what it reads is what the projector looks for.
 */
export function sourceFunction(chain: ChainWriter, source: ChainStart, sought: readonly Sought[] = []): string {
  const { decoded } = source;
  const n = chain.index(source.node);
  const fields = new ProjectedFields("b");
  const { slot } = fields;
  const at: At = {
    shape: { kind: "record", slot },
    raw: { buffer: "b", start: "start", end: "end", made: ROW_BYTES },
    row: "row",
    where: "batch.describe(i)",
  };
  const block = `K${n}`;
  for (const found of sought)
    chain.sought.set(found.node.name, { names: soughtNames(chain, found, block), shape: at.shape });
  const body = chain.readers(source.node, "out", at);
  const dead = chain.readers(source.node, "dead", at);
  const eventTime = eventTimeSource(source, slot, `L${n}`);
  const read = paths(fields);
  chain.reads.set(source.node, read);
  const failed =
    source.onError === "Fail"
      ? `throw R.malformed(${JSON.stringify(source.node)}, batch.describe(i), problem);`
      : `${source.onError === "Dead" ? dead : ""} continue;`;
  const loop = sought.length === 0 ? EACH : blocks(chain, { n, fields, sought, block });
  const decode = loop.decode ?? decodeSource(fields.all(), parseSource, `L${n}`);
  return `const L${n} = new Layouts(${JSON.stringify(read)});
${loop.declared}
function source${n}(batch) {
  const n = batch.n, rows = batch.rows, off = batch.off, len = batch.len, times = batch.ts, split = batch.split;
  let newest = -Infinity, b = batch.buf, p = 0, r = 0, w = 0;
  ${decoded ? `if (rows === undefined) L${n}.begin(batch);` : ""}
  ${loop.head}
    let start = -1, end = -1, row, ts = times[i], problem;
    C${n}.in++;
    ${fields.declared()}
    if (rows === undefined) {
      start = off[i];
      end = start + len[i];
      ${decoded ? decode : ""}
    } else {
      row = rows[i];
      ${fields.ofRow("row")}
    }
    ${eventTime}
    if (problem !== undefined) { C${n}.errors++; ${failed} }
    if (ts > newest) newest = ts;
    ${body}
  ${loop.tail}
  return newest;
}`;
}

interface Loop {
  /** Before the function. */
  readonly declared: string;
  readonly head: string;
  /** How a record's fields come into their variables, where that is not by looking for them. */
  readonly decode: string | undefined;
  readonly tail: string;
}

const EACH: Loop = { declared: "", head: "for (let i = 0; i < n; i++) {", decode: undefined, tail: "}" };

/**
 * Goes over a batch in blocks: finds the fields of a block's records, notes their keys, lets the tables look where those
 * are, and only then processes the records. One by one, each would wait for memory by itself.
 */
function blocks(chain: ChainWriter, of: Parts): Loop {
  const { n, fields, sought, block } = of;
  const all = fields.all();
  const keys = sought.map((found) => soughtNames(chain, found, block));
  const found = [
    ...all.map(({ slot: k }) => [`s${k}`, `e${k}`, `t${k}`]),
    ...keys.map((k) => [k.start, k.end, k.hash]),
  ];
  const variables = found.flat();
  const width = 1 + variables.length;
  const put = variables.map((name, i) => `F${n}[f + ${i + 1}] = ${name};`);
  const get = variables.map((name, i) => `${name} = F${n}[f + ${i + 1}];`);
  const declared = keys.map(({ start, end, hash }) => `let ${start} = -1, ${end} = 0, ${hash} = 0;`).join(" ");
  return {
    declared: `const F${n} = new Int32Array(${BLOCK * width}), ${block} = new BlockKeys();`,
    head: `for (let from = 0; from < n; from += ${BLOCK}) {
    const to = Math.min(n, from + ${BLOCK});
    if (rows === undefined) {
      ${block}.begin();
      for (let i = from, f = 0; i < to; i++, f += ${width}) {
        const start = off[i], end = start + len[i];
        ${fields.declared()}
        ${declared}
        ${scanSource(all, `L${n}`)}
        F${n}[f] = taken ? 1 : 0;
        if (!taken) continue;
        ${sought.map((s) => seekSource(chain, s, { slot: fields.slot, block })).join("\n        ")}
        ${put.join(" ")}
      }
      ${sought.map(({ node }) => `W${chain.index(node.name)}.glance();`).join(" ")}
    }
    for (let i = from, f = 0; i < to; i++, f += ${width}) {
    ${declared}`,
    decode: `if (F${n}[f] === 1) {
        ${get.join(" ")}
      } else {
        ${pickSource(all, parseSource)}
      }`,
    tail: "}\n  }",
  };
}

interface Parts {
  readonly n: number;
  readonly fields: ProjectedFields;
  readonly sought: readonly Sought[];
  /** Variable of the keys that are lists. */
  readonly block: string;
}

const paths = (fields: ProjectedFields): (readonly string[])[] => fields.all().map(({ path }) => path);

/** The bytes of a record that came as an object, when somebody needs them first. */
const ROW_BYTES = "if (row !== undefined && start < 0) { end = rowBytes(row); b = rowScratch.bytes; start = 0; }";

/** What the tokenizer does not take, JSON.parse decides. */
export const parseSource = (picks: string): string =>
  `try { const value = R.parse(batch, i); ${picks} } catch (error) { problem = error; }`;

/** `layouts`, where there are some, have a view of the records' bytes. */
export function eventTimeSource(source: ChainStart, slot: ProjectedFields["slot"], layouts?: string): string {
  const path = source.eventTime?.field ?? null;
  if (path === null) return "";
  const { type, start, end, js } = slot(path);
  const range = `b, ${start}, ${end}`;
  const time = layouts === undefined ? `plainInt(${range})` : `plainTime(${range}, ${layouts}.view)`;
  return `if (problem === undefined) {
      ts = ${type} === 3 ? ${time} : R.eventTime(${js});
      if (ts !== ts) { ts = times[i]; problem = R.noEventTime(${JSON.stringify(path.join("."))}); }
    }`;
}
