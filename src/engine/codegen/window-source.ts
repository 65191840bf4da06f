import type { WindowNode } from "../windows/cells.ts";
import { cellLayout, isText } from "../windows/cells.ts";
import type { Slot as CellSlot } from "../windows/cells.ts";
import { PAGE_BITS } from "../windows/bucket.ts";
import type { At, ChainWriter, Fail } from "./chain.ts";
import { leaf, tree } from "./shape.ts";
import type { Leaf, Slot } from "./shape.ts";

/**
 * One record into a windowed aggregate: arguments, key bytes, shard, bucket, entry, and the aggregates folded in place.
 * Everything that can fail on a record comes before the first change of state.
 */
export function windowSource(chain: ChainWriter, node: WindowNode, at: At): string {
  const n = chain.id();
  const w = chain.index(node.name);
  const layout = cellLayout(node.aggregates);
  const keys: KeyNames = { buffer: `kb${n}`, start: `ks${n}`, end: `ke${n}` };
  const declared = [`${keys.buffer} = b`, `${keys.start} = 0`, `${keys.end} = 0`];
  const args = layout.slots.filter((s) => s.arg !== null).map((slot) => argument(chain, at, { slot, declared }));
  const key = keySource(chain, node, { at, keys, declared });
  const step = (fail: Fail): string => [...args.map((a) => a.step(fail)), key(fail)].join("\n");
  const folds = layout.slots.map((slot) => fold(slot, args.find((a) => a.slot === slot)?.name ?? "", layout.texts));
  const shard = node.keying === "declared" ? "split" : `shardOf(hash, ${chain.tables.maxParallelism})`;
  const late = chain.readers(node.name, "late", at);
  const then = `const hash = murmur2(kb${n}, ks${n}, ke${n}), shard = ${shard};
const bucket = W${w}.bucket(shard, ts);
if (bucket === undefined) {
  C${w}.late++;
  ${late}
} else {
  let entry = bucket.find(kb${n}, ks${n}, ke${n}, hash);
  if (entry < 0) entry = bucket.insert(kb${n}, ks${n}, ke${n}, { hash, place: entry });
  if (bucket.stamps[entry >> ${PAGE_BITS}] !== W${w}.snapshots.epoch) W${w}.snapshots.touch(bucket, entry >> ${PAGE_BITS});
  const cells = bucket.cells, at = entry * ${layout.cells};
  ${folds.join("\n  ")}
  if (bucket.fired) fire${w}(bucket, entry, shard);
}`;
  return `{ ${chain.guarded(node, at, { declared, step }, then)} }`;
}

interface KeyNames {
  readonly buffer: string;
  readonly start: string;
  readonly end: string;
}

interface Argument {
  readonly slot: CellSlot;
  /** Variable of the value. */
  readonly name: string;
  readonly step: (fail: Fail) => string;
}

function argument(chain: ChainWriter, at: At, { slot, declared }: { slot: CellSlot; declared: string[] }): Argument {
  const name = `a${chain.id()}`;
  const value = chain.expression(slot.arg ?? "null", at, declared);
  declared.push(name);
  const wrong = isText(slot.fn)
    ? `${name} instanceof Failure`
    : `typeof ${name} !== "number" ? ${name} !== null : ${name} - ${name} !== 0`;
  const why = `R.badArgument(${JSON.stringify(slot.name)}, ${JSON.stringify(slot.fn)}, ${name})`;
  return { slot, name, step: (fail) => `${name} = ${value}; if (${wrong}) ${fail(why)}` };
}

/** The key's bytes: those of the record where they are canonical JSON already, else made from the value. */
function keySource(
  chain: ChainWriter,
  node: WindowNode,
  { at, keys, declared }: { at: At; keys: KeyNames; declared: string[] },
): (fail: Fail) => string {
  const k = `k${chain.id()}`;
  const value = chain.expression(node.key, at, declared);
  const slot = chain.copied(node.key, at)?.slot;
  return (fail) => {
    const general = `const ${k} = R.keyBytes(${value}); if (${k} !== undefined) ${fail(k)} ${keys.buffer} = R.key; ${keys.start} = 0; ${keys.end} = R.keyLength;`;
    if (slot === undefined) return general;
    const { buffer, start, end, type } = slot;
    const own = `${keys.buffer} = ${buffer}; ${keys.start} = ${start}; ${keys.end} = ${end};`;
    return `if (${type} === 1 || ${type} === 3) { ${own} } else { ${general} }`;
  };
}

function fold({ fn, at }: CellSlot, arg: string, texts: number): string {
  const cell = `cells[at + ${at}]`;
  const text = `bucket.texts[entry * ${texts} + ${at}]`;
  const known = `${arg} !== null`;
  switch (fn) {
    case "count":
      return `${cell}++;`;
    case "sum":
      return `if (${known}) ${cell} = ${cell} !== ${cell} ? ${arg} : ${cell} + ${arg};`;
    case "avg":
      return `if (${known}) { ${cell} += ${arg}; cells[at + ${at + 1}]++; }`;
    case "min":
      return `if (${known} && !(${cell} <= ${arg})) ${cell} = ${arg};`;
    case "max":
      return `if (${known} && !(${cell} >= ${arg})) ${cell} = ${arg};`;
    case "first":
      return `if (${text} === undefined) ${text} = R.text(${arg});`;
    case "last":
      return `${text} = R.text(${arg});`;
  }
}

/** The chain below a window: the function that a fired entry goes through. */
export function fireSource(chain: ChainWriter, node: WindowNode): string {
  const w = chain.index(node.name);
  const key: Slot = { buffer: "b", start: "s", end: "e", type: "t", js: "(v !== U ? v : (v = decode(b, s, e, t)))" };
  const layout = cellLayout(node.aggregates);
  const fields: { path: string[]; leaf: Leaf }[] = [
    { path: [node.keyField], leaf: leaf(key.js, key) },
    { path: ["windowStart"], leaf: leaf(`(end - ${node.window.sizeMs})`, undefined, true) },
    { path: ["windowEnd"], leaf: leaf("end", undefined, true) },
    ...layout.slots.map((slot) => ({ path: [slot.name], leaf: result(slot, layout.texts) })),
  ];
  const at: At = { shape: { kind: "built", root: tree(fields) }, raw: undefined, where: "R.windowAt(end)" };
  return `function fire${w}(bucket, entry, split) {
  const b = bucket.keys, s = bucket.keyAt[entry], e = bucket.keyAt[entry + 1], t = scanValue(b, s, 0) & 15;
  const cells = bucket.cells, at = entry * ${layout.cells}, end = bucket.end, ts = end - 1;
  let v = U, w = 0, ob = o.bytes;
  ${chain.readers(node.name, "out", at)}
}`;
}

function result({ fn, at }: CellSlot, texts: number): Leaf {
  if (isText(fn)) return leaf(`R.parsed(bucket.texts[entry * ${texts} + ${at}])`);
  const cell = `cells[at + ${at}]`;
  const value = fn === "avg" ? `${cell} / cells[at + ${at + 1}]` : cell;
  return leaf(`R.finite(${value})`);
}
