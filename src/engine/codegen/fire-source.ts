import type { CellLayout, KeyedAggregateNode, Slot as CellSlot, WindowNode } from "../windows/cells.ts";
import { isText, layoutOf, merges } from "../windows/cells.ts";
import { SESSION_START } from "../windows/sessions.ts";
import type { ChainWriter } from "./chain.ts";
import { PrintedTexts } from "./printed.ts";
import { leaf, tree } from "./shape.ts";
import type { Leaf, Slot } from "./shape.ts";

type Fields = { path: string[]; leaf: Leaf }[];

/** The chain below an aggregate: the function that an entry whose result is due goes through. */
export function fireSource(chain: ChainWriter, node: WindowNode | KeyedAggregateNode): string {
  const w = chain.index(node.name);
  const js = "(v !== U ? v : (v = decode(b, s, e, t)))";
  const key: Slot = { buffer: "b", start: "s", end: "e", type: "t", js, canonical: true };
  const layout = layoutOf(node);
  const windowed = node.kind === "windowAggregate";
  const printed = new PrintedTexts(`P${w}_`);
  const fields: Fields = [
    { path: [node.keyField], leaf: leaf(key.js, key) },
    ...(windowed ? windowFields(node, printed) : []),
    ...layout.slots.map((slot) => ({ path: [slot.name], leaf: result(slot, node, layout) })),
  ];
  const where = windowed ? "R.windowAt(end)" : "R.resultAt(end)";
  const byEnd = windowed || node.trigger.type === "time";
  const built = { shape: { kind: "built", root: tree(fields) }, raw: undefined, where } as const;
  const rows = chain.readers(node.name, "out", built);
  return `${printed.declared()}
function fire${w}(bucket, entry, split, end) {
  const b = bucket.keys, s = bucket.keyAt[entry], e = bucket.keyAt[entry + 1], t = kindWithin(b, s, e);
  const cells = bucket.cells, at = entry * ${layout.cells}, ts = ${byEnd ? "end - 1" : "end"};
  let v = U, w = 0;
  ${windowed && merges(node) ? overflowTest(node, w).join("\n") : ""}
  ${rows}
}`;
}

/** All windows but sessions begin where their end says, and have many keys. */
function windowFields({ window }: WindowNode, texts: PrintedTexts): Fields {
  const own = window.type === "session" ? {} : { printed: texts };
  return [
    { path: ["windowStart"], leaf: { ...leaf(startSource(window), undefined, true), ...own } },
    { path: ["windowEnd"], leaf: { ...leaf("end", undefined, true), ...own } },
  ];
}

function startSource(window: WindowNode["window"]): string {
  switch (window.type) {
    case "tumbling":
    case "sliding":
      return `(end - ${window.sizeMs})`;
    case "cumulate":
      return `(Math.floor((end - 1) / ${window.maxMs}) * ${window.maxMs})`;
    case "session":
      return `cells[at + ${SESSION_START}]`;
  }
}

/** A merged sum that overflowed has no record to blame: its whole result fails. */
function overflowTest(node: WindowNode, w: number): string[] {
  return layoutOf(node)
    .slots.filter((slot) => slot.fn === "sum")
    .map(({ at, name }) => {
      const failure = `R.failed(${JSON.stringify(node.name)}, R.windowAt(end), R.overflow(${JSON.stringify(name)}))`;
      const then = node.onError === "Fail" ? `throw ${failure};` : "return;";
      return `if (cells[at + ${at}] - cells[at + ${at}] !== 0 && cells[at + ${at}] === cells[at + ${at}]) { C${w}.errors++; ${then} }`;
    });
}

function result({ fn, at }: CellSlot, node: WindowNode | KeyedAggregateNode, { texts }: CellLayout): Leaf {
  const isTable = node.kind === "keyedAggregate";
  const held = isTable ? `bucket.held(entry, ${at})` : `bucket.texts[entry * ${texts} + ${at}]`;
  if (fn === "first" || fn === "last") return { ...leaf(`R.parsed(${held})`), json: held };
  if (isText(fn)) return leaf(`R.held(${JSON.stringify(fn)}, ${held})`);
  const cell = `cells[at + ${at}]`;
  const value = fn === "avg" ? `${cell} / cells[at + ${at + 1}]` : cell;
  return { ...leaf(`R.finite(${value})`), numeric: value };
}
