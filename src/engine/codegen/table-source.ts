import type { DedupNode, TopNode } from "../windows/cells.ts";
import type { KeyedPlanNode } from "../plan.ts";
import type { At, ChainWriter, Fail } from "./chain.ts";
import { hashedKey, tellKey } from "./key-source.ts";
import type { KeyNames } from "./key-source.ts";
import { leaf, readSource, tree } from "./shape.ts";
import type { Slot } from "./shape.ts";

interface Keyed {
  readonly n: number;
  readonly keys: KeyNames;
  /** Variable of the key's hash. */
  readonly hash: string;
  readonly declared: string[];
  /** Makes the key's bytes, its hash and its shard. */
  readonly step: (fail: Fail) => string;
}

export function keyed(chain: ChainWriter, node: KeyedPlanNode, at: At): Keyed {
  const n = chain.id();
  const keys: KeyNames = { buffer: `kb${n}`, start: `ks${n}`, end: `ke${n}` };
  const hash = `hash${n}`;
  const declared = [`${keys.buffer} = b`, `${keys.start} = 0`, `${keys.end} = 0`, `shard${n} = 0`, `${hash} = 0`];
  const anyValue = node.kind === "dedup" && node.anyValue;
  const key = hashedKey(chain, node, { at, keys, hash, declared, anyValue });
  const step = (fail: Fail): string => `${key(fail)}
shard${n} = ${chain.shardSource(node.keying, hash)};`;
  return { n, keys, hash, declared, step };
}

/** Passes the first record of a key on, as it is. */
export function dedupSource(chain: ChainWriter, node: DedupNode, at: At): string {
  const { n, keys, hash, declared, step } = keyed(chain, node, at);
  const state = `W${chain.index(node.name)}`;
  const then = `${tellKey(state, keys, hash)}
const entry${n} = ${state}.fresh(shard${n});
if (entry${n} >= 0) {
  ${state}.written(shard${n}, entry${n}, ts);
  ${chain.readers(node.name, "out", at)}
}`;
  return `{ ${chain.guarded(node, at, { declared, step }, then)} }`;
}

/** Puts a record into its key's list, and gives it and those behind it, whose ranks it changed. */
export function topSource(chain: ChainWriter, node: TopNode, at: At): string {
  const { n, keys, hash, declared, step } = keyed(chain, node, at);
  const w = chain.index(node.name);
  const by = `a${n}`;
  const value = chain.expression(node.by, at, declared);
  declared.push(by);
  const ranked = (fail: Fail): string =>
    `${by} = ${value}; if (!isRank(${by})) ${fail(`R.badRank(${by})`)}\n${step(fail)}`;
  const then = `${tellKey(`W${w}`, keys, hash)}
const entry${n} = W${w}.entry(shard${n}), bucket${n} = W${w}.bucket;
const list${n} = own(W${w}.layout.accumulators[0], bucket${n}.texts[entry${n}], W${w}.snapshots.epoch);
bucket${n}.texts[entry${n}] = list${n};
W${w}.written(shard${n}, entry${n}, ts);
const rank${n} = list${n}.rankOf(${by});
if (rank${n} > 0) {
  list${n}.insert(rank${n}, [${by}, R.text(${readSource(at.shape, [])})]);
  for (let k = rank${n}; k <= list${n}.items.length; k++)
    top${w}(bucket${n}, entry${n}, shard${n}, { ts, rank: k, record: list${n}.items[k - 1][1] });
}`;
  return `{ ${chain.guarded(node, at, { declared, step: ranked }, then)} }`;
}

/** The chain below a topN: the function that a changed rank goes through. */
export function topRowSource(chain: ChainWriter, node: TopNode): string {
  const w = chain.index(node.name);
  const key: Slot = { buffer: "b", start: "s", end: "e", type: "t", js: "(v !== U ? v : (v = decode(b, s, e, t)))" };
  const root = tree([
    { path: [node.keyField], leaf: leaf(key.js, key) },
    { path: ["rank"], leaf: leaf("row.rank", undefined, true) },
    { path: ["record"], leaf: leaf("(m !== U ? m : (m = JSON.parse(row.record)))") },
  ]);
  const at: At = { shape: { kind: "built", root }, raw: undefined, where: "R.resultAt(ts)" };
  return `function top${w}(bucket, entry, split, row) {
  const b = bucket.keys, s = bucket.keyAt[entry], e = bucket.keyAt[entry + 1], t = kindWithin(b, s, e), ts = row.ts;
  let v = U, m = U, w = 0;
  ${chain.readers(node.name, "out", at)}
}`;
}
