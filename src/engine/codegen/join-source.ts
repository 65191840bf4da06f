import type { JoinNode, PairNode } from "../joins/join-node.ts";
import { mayBeAbsent } from "../joins/join-node.ts";
import type { Side } from "../joins/row.ts";
import { variablePath } from "../planner/field-path.ts";
import { builtSource, copiedField } from "./built-source.ts";
import type { Building } from "./built-source.ts";
import type { At, ChainWriter, Fail } from "./chain.ts";
import { keySource } from "./key-source.ts";
import type { KeyNames } from "./key-source.ts";
import { missingTest } from "./missing-field.ts";
import { decodeSource, ProjectedFields } from "./projected-fields.ts";
import { recordSource } from "./serializer.ts";
import { leaf, locate } from "./shape.ts";
import type { Leaf, Slot } from "./shape.ts";

const VARIABLES = ["left", "right"] as const;

/** The state's row with the key and the time of a record. */
interface KeyedRow {
  readonly row: string;
  /** Where the record goes. */
  readonly shard: string;
  readonly guard: { readonly declared: readonly string[]; readonly step: (fail: Fail) => string };
  /** Fills the row, behind the guard. */
  readonly fill: string;
}

function keyedRow(chain: ChainWriter, node: JoinNode, at: At, side: Side): KeyedRow {
  const n = chain.id();
  const keys: KeyNames = { buffer: `kb${n}`, start: `ks${n}`, end: `ke${n}` };
  const declared = [`${keys.buffer} = b`, `${keys.start} = 0`, `${keys.end} = 0`];
  const hash = `hash${n}`;
  declared.push(`${hash} = 0`);
  const step = keySource(chain, node.keys[side], { at: { ...at, variable: VARIABLES[side] }, keys, hash, declared });
  const row = `row${n}`;
  const fill = `const ${row} = W${chain.index(node.name)}.row;
${row}.key = ${keys.buffer}; ${row}.keyStart = ${keys.start}; ${row}.keyEnd = ${keys.end};
${row}.hash = ${hash};
${row}.ts = ts;`;
  return { row, shard: chain.shardSource(node.keying, `${row}.hash`), guard: { declared, step }, fill };
}

/** One record into a join: its key, its shard, and its bytes, which the state copies. */
export function joinSource(chain: ChainWriter, node: JoinNode, at: At, side: Side): string {
  const { row, shard, guard, fill } = keyedRow(chain, node, at, side);
  const w = chain.index(node.name);
  const then = `${fill}
${recordSource(at, row, "bytes")}
if (!W${w}.add(${side}, ${shard})) {
  C${w}.late++;
  ${chain.readers(node.name, "late", at)}
}`;
  return `{ ${chain.guarded(node, at, guard, then)} }`;
}

/** Tells a join the key of a record that comes soon. */
export function joinWanted(chain: ChainWriter, node: JoinNode, at: At, side: Side): string {
  const { shard, guard, fill } = keyedRow(chain, node, at, side);
  return `{ ${chain.guarded(node, at, guard, `${fill}\nW${chain.index(node.name)}.want(${side}, ${shard});`)} }`;
}

/** The chain below a join, which its state calls. */
export const joinedSource = (chain: ChainWriter, node: JoinNode): string => {
  const w = chain.index(node.name);
  return `${pairSource(chain, node)}\nW${w}.pair = pair${w};`;
};

/**
 * The chain below what gives pairs: the function that each result goes through. Of both rows it looks for the fields that are read
 * further down, as a source does of its records.
 */
export function pairSource(chain: ChainWriter, node: PairNode): string {
  const w = chain.index(node.name);
  const left = new ProjectedFields("lb");
  const right = new ProjectedFields("rb", RIGHT_SLOTS);
  const shape = {
    kind: "pair",
    left: { kind: "record", slot: left.slot },
    right: { kind: "record", slot: right.slot },
  } as const;
  const at: At = { shape, raw: undefined, where: "R.pairAt(ts)" };
  const copy = (expression: string, building: Building): Leaf | undefined =>
    copiedLeaf(chain, node, { at, expression, ...building });
  const body =
    node.select === null
      ? chain.readers(node.name, "out", at)
      : builtSource(chain, node, { at, fields: node.select, copy });
  chain.reads.set(node.name, [
    ...left.all().map(({ path }) => ["left", ...path]),
    ...right.all().map(({ path }) => ["right", ...path]),
  ]);
  return `function pair${w}(left, right, split, ts) {
  const lb = left.bytes, rb = right.bytes;
  let b = lb, start = left.start, end = left.end, p = 0, r = 0, w = 0;
  ${left.declared()}
  ${right.declared()}
  ${sideSource(left, "left")}
  b = rb; start = right.start; end = right.end;
  ${sideSource(right, "right")}
  ${body}
}`;
}

/** More slots than a record has fields that are read. */
const RIGHT_SLOTS = 100_000;

/** Finds the fields of a kept row; `kept` is the variable of where it is. */
export function sideSource(fields: ProjectedFields, kept: "left" | "right"): string {
  const all = fields.all();
  if (all.length === 0) return "";
  const decoded = decodeSource(all, (picks) => `const value = R.parseRow(b, start, end); ${picks}`);
  return `if (${kept}.row === undefined) { ${decoded} } else { ${fields.ofRow(`${kept}.row`)} }`;
}

/** A field that is copied from a side as its bytes; null where the side has no row. */
function copiedLeaf(
  chain: ChainWriter,
  node: PairNode,
  of: { at: At; expression: string } & Building,
): Leaf | undefined {
  const { expression, at } = of;
  const path = variablePath(expression);
  const side: Side = path?.[0] === "left" ? 0 : 1;
  const place = path === undefined || path[0] === "event" ? undefined : locate(at.shape, path);
  if (place?.kind !== "leaf" || place.leaf.slot === undefined) return undefined;
  if (!mayBeAbsent(node, side)) return copiedField(place.leaf, expression, of);
  const test = missingTest(place.leaf, expression);
  const absent = `${VARIABLES[side]} === NO_ROW`;
  const slot = slotOrNull(chain, place.leaf.slot, { absent, declared: of.declared });
  const { start, end, type } = slot;
  const from = place.leaf.slot;
  const take = `${start} = ${from.start}; ${end} = ${from.end}; ${type} = ${from.type};`;
  of.steps.push(
    (fail) => `if (${absent}) { ${start} = 0; ${end} = 4; ${type} = 7; } else { ${test?.(fail) ?? ""} ${take} }`,
  );
  return leaf(slot.js, slot);
}

function slotOrNull(chain: ChainWriter, from: Slot, of: { absent: string; declared: string[] }): Slot {
  const n = chain.id();
  const slot = { buffer: from.buffer, start: `cs${n}`, end: `ce${n}`, type: `ct${n}` };
  of.declared.push(slot.start, slot.end, slot.type);
  return { ...slot, js: `(${of.absent} ? null : ${from.js})` };
}
