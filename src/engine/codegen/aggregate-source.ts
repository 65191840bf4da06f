import { TRIGGER } from "../keyed-state/keyed-table.ts";
import { skipsNull } from "../accumulators/accumulator-kinds.ts";
import { usesProcessingTime } from "../processing-time.ts";
import type { AggregateFunction } from "../plan.ts";
import { isNumeric, isOfTexts } from "../windows/argument.ts";
import { PAGE_BITS } from "../windows/bucket.ts";
import type { KeyedAggregateNode, Slot as CellSlot, WindowNode } from "../windows/cells.ts";
import { layoutOf, merges } from "../windows/cells.ts";
import type { At, ChainWriter, Fail } from "./chain.ts";
import { hashedKey, tellKey } from "./key-source.ts";
import type { KeyNames } from "./key-source.ts";

/** The variables of one aggregating step: unique in a chain, which may have several. */
interface Names {
  readonly state: string;
  /** The record's time, as the state sees it. */
  readonly ts: string;
  readonly fire: string;
  readonly keys: KeyNames;
  readonly shard: string;
  readonly bucket: string;
  readonly entry: string;
}

/**
 * One record into an aggregate: arguments, key bytes, shard, entry, and the aggregates folded in place. Everything that
 * can fail on a record comes before the first change of what is counted.
 */
export function aggregateSource(chain: ChainWriter, node: WindowNode | KeyedAggregateNode, at: At): string {
  const n = chain.id();
  const w = chain.index(node.name);
  const keys: KeyNames = { buffer: `kb${n}`, start: `ks${n}`, end: `ke${n}` };
  const names: Names = {
    state: `W${w}`,
    ts: usesProcessingTime(node) ? "T.now" : "ts",
    fire: `fire${w}`,
    keys,
    shard: `shard${n}`,
    bucket: `bucket${n}`,
    entry: `entry${n}`,
  };
  const declared = [`${keys.buffer} = b`, `${keys.start} = 0`, `${keys.end} = 0`, names.shard, names.bucket];
  declared.push(`${names.entry} = 0`, `hash${n} = 0`);
  const layout = layoutOf(node);
  const args = layout.slots.filter((s) => s.arg !== null).map((slot) => argument(chain, at, { slot, declared }));
  const argOf = (slot: CellSlot): string => args.find((a) => a.slot === slot)?.name ?? "";
  const key = hashedKey(chain, node, { at, keys, hash: `hash${n}`, declared });
  const locate = node.kind === "keyedAggregate" ? tableEntry : node.window.type === "session" ? session : pane;
  const step = (fail: Fail): string =>
    [
      ...args.map((a) => a.step(fail)),
      key(fail),
      `${names.shard} = ${chain.shardSource(node.keying, `hash${n}`)};`,
      locate(names, `hash${n}`),
      ...(mergesLater(node) ? [] : overflowTests(names, { layout, argOf, fail })),
    ].join("\n");
  const of = { layout, names, merged: mergesLater(node), isTable: node.kind === "keyedAggregate" };
  const folds = layout.slots.map((slot) => fold(slot, argOf(slot), of));
  const change = `${touch(node, names)}
  const cells = ${names.bucket}.cells, at = ${names.entry} * ${layout.cells};
  ${folds.join("\n  ")}
  ${result(node, names)}`;
  if (node.kind === "keyedAggregate") return `{ ${chain.guarded(node, at, { declared, step }, `{ ${change} }`)} }`;
  const late = chain.readers(node.name, "late", at);
  const then = `if (${names.bucket} === undefined) {
  C${w}.late++;
  ${late}
} else {
  ${change}
}`;
  return `{ ${chain.guarded(node, at, { declared, step }, then)} }`;
}

const mergesLater = (node: WindowNode | KeyedAggregateNode): boolean => node.kind === "windowAggregate" && merges(node);

function pane({ state, ts, keys, shard, bucket, entry }: Names, hash: string): string {
  const range = `${keys.buffer}, ${keys.start}, ${keys.end}`;
  return `${bucket} = ${state}.bucket(${shard}, ${ts});
if (${bucket} !== undefined) {
  ${entry} = ${bucket}.find(${range}, ${hash});
  if (${entry} < 0) ${entry} = ${bucket}.insert(${range}, { hash: ${hash}, place: ${entry} });
}`;
}

const session = ({ state, ts, keys, shard, bucket }: Names, hash: string): string => `${tellKey(state, keys, hash)}
${bucket} = ${state}.session(${shard}, ${ts});`;

const tableEntry = ({ state, keys, shard, bucket, entry }: Names, hash: string): string =>
  `${tellKey(state, keys, hash)}
${entry} = ${state}.entry(${shard}); ${bucket} = ${state}.bucket;`;

function overflowTests(
  { bucket, entry }: Names,
  of: { layout: ReturnType<typeof layoutOf>; argOf: (slot: CellSlot) => string; fail: Fail },
): string[] {
  const { layout, argOf, fail } = of;
  return layout.slots
    .filter((slot) => slot.fn === "sum")
    .map((slot) => {
      const cell = `${bucket}.cells[${entry} * ${layout.cells} + ${slot.at}]`;
      const why = `R.overflow(${JSON.stringify(slot.name)})`;
      return `if (${bucket} !== undefined && ${argOf(slot)} !== null && overflows(${cell}, ${argOf(slot)})) ${fail(why)}`;
    });
}

/** A page that a snapshot may hold is copied before it changes; sessions and tables have done so when asked. */
function touch(node: WindowNode | KeyedAggregateNode, { state, bucket, entry }: Names): string {
  if (node.kind === "keyedAggregate" || node.window.type === "session") return "";
  const page = `${entry} >> ${PAGE_BITS}`;
  return `${bucket}.marks[${entry}] = ${state}.snapshots.epoch;
if (${bucket}.stamps[${page}] !== ${state}.snapshots.epoch) ${state}.snapshots.touch(${bucket}, ${page});`;
}

/** What a changed entry gives at once. */
function result(node: WindowNode | KeyedAggregateNode, names: Names): string {
  const { state, fire, shard, bucket, entry } = names;
  if (node.kind === "windowAggregate") {
    const { type } = node.window;
    if (type === "session") return `if (${bucket}.fired) ${fire}(${bucket}, 0, ${shard}, ${bucket}.end);`;
    if (type === "tumbling") return `if (${bucket}.fired) ${fire}(${bucket}, ${entry}, ${shard}, ${bucket}.end);`;
    return `if (${bucket}.fired) ${state}.refire(${bucket}, ${entry}, ${shard}, ${fire});`;
  }
  const written = `${state}.written(${shard}, ${entry}, ts);`;
  const now = `${fire}(${bucket}, ${entry}, ${shard}, ts);`;
  const counter = `cells[at + ${TRIGGER}]`;
  switch (node.trigger.type) {
    case "record":
      return `${written} ${now}`;
    case "fill":
      return `${written} if (++${counter} >= ${node.trigger.size}) { ${state}.remove(${shard}, ${entry}); ${now} }`;
    case "count":
      return `${written} if (isMultiple(++${counter}, ${node.trigger.every})) ${now}`;
    case "time":
      return `${written} if (${counter} === 0) ${state}.waits(${shard}, ${entry});`;
  }
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
  const wrong = wrongSource(slot.fn, name);
  const why = `R.badArgument(${JSON.stringify(slot.name)}, ${JSON.stringify(slot.fn)}, ${name})`;
  return { slot, name, step: (fail) => `${name} = ${value}; if (${wrong}) ${fail(why)}` };
}

/** As `takesArgument` says. */
function wrongSource(fn: AggregateFunction, name: string): string {
  if (isOfTexts(fn)) return `typeof ${name} !== "string" && ${name} !== null`;
  if (!isNumeric(fn)) return `${name} instanceof Failure`;
  return `typeof ${name} !== "number" ? ${name} !== null : ${name} - ${name} !== 0`;
}

function fold(
  { fn, at, order }: CellSlot,
  arg: string,
  of: { layout: ReturnType<typeof layoutOf>; names: Names; merged: boolean; isTable: boolean },
): string {
  const { layout, names, merged } = of;
  const cell = `cells[at + ${at}]`;
  const text = `${names.bucket}.texts[${names.entry} * ${layout.texts} + ${at}]`;
  const known = `${arg} !== null`;
  const hold = `${names.bucket}.hold(${names.entry}, ${at}, ${arg});`;
  const arrival = order < 0 ? "" : `cells[at + ${order}] = ++${names.state}.arrivals;`;
  switch (fn) {
    case "count":
      return `${cell}++;`;
    case "sum":
      if (merged) return `if (${known}) ${cell} = addSum(${cell}, ${arg});`;
      return `if (${known}) ${cell} = ${cell} !== ${cell} ? ${arg} : ${cell} + ${arg};`;
    case "avg":
      return `if (${known}) { ${cell} += ${arg}; cells[at + ${at + 1}]++; }`;
    case "min":
      return `if (${known} && !(${cell} <= ${arg})) ${cell} = ${arg};`;
    case "max":
      return `if (${known} && !(${cell} >= ${arg})) ${cell} = ${arg};`;
    case "first":
      if (of.isTable) return `if (${names.bucket}.held(${names.entry}, ${at}) === undefined) ${hold}`;
      return `if (${text} === undefined) { ${text} = R.hold(${arg}); ${arrival} }`;
    case "last":
      if (of.isTable) return hold;
      return `${text} = R.hold(${arg}); ${arrival}`;
    case "collect":
    case "countDistinct":
    case "approxCountDistinct":
    case "percentile":
    case "minText":
    case "maxText": {
      const changed = `(${text} = own(${names.state}.layout.accumulators[${at}], ${text}, ${names.state}.snapshots.epoch))`;
      return `${skipsNull(fn) ? `if (${known}) ` : ""}${changed}.add(${arg});`;
    }
  }
}
