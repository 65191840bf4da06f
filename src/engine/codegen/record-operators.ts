import type { At, ChainWriter, Fail, NodeOf } from "./chain.ts";
import { bytesOf } from "./serializer.ts";
import { leaf, locate, readSource, tree, withPresence } from "./shape.ts";
import type { Leaf, Tree } from "./shape.ts";

/** Operators that take one record and give some, beside filter, map and branch: each writes its statements. */

export function selectSource(chain: ChainWriter, node: NodeOf<"select" | "drop">, at: At): string {
  const steps: string[] = [];
  const fields = node.paths.flatMap((path) => {
    const kept = selected(chain, at, { path, steps });
    return kept === undefined ? [] : [{ path, leaf: kept }];
  });
  const built: At = { shape: { kind: "built", root: tree(fields) }, raw: undefined, where: at.where };
  return `{ ${steps.join(" ")}\n${chain.readers(node.name, "out", built)} }`;
}

function selected(
  chain: ChainWriter,
  at: At,
  { path, steps }: { path: readonly string[]; steps: string[] },
): Leaf | Tree | undefined {
  const place = locate(at.shape, path);
  if (place.kind === "missing") return undefined;
  if (place.kind === "tree") return place.tree;
  const { slot, present } = place.leaf;
  if (place.rest.length === 0) return withPresence(place.leaf, slot === undefined ? present : `${slot.type} !== 0`);
  const name = `m${chain.id()}`;
  steps.push(`const ${name} = ${readSource(at.shape, path)};`);
  return withPresence(leaf(name), `${name} !== undefined`);
}

/** Records that a filter further down takes out are never built: so it does not matter on which side of the drop it stands. */
export function dropSource(chain: ChainWriter, node: NodeOf<"select" | "drop">, at: At): string {
  const name = `m${chain.id()}`;
  const whole = (): Leaf => {
    const made = `R.without(${readSource(at.shape, [])}, ${JSON.stringify(node.paths)})`;
    return leaf(`(${name} !== U ? ${name} : (${name} = ${made}))`);
  };
  const rest: At = {
    shape: { kind: "rest", of: at.shape, without: node.paths, whole },
    raw: undefined,
    where: at.where,
  };
  return `{ let ${name} = U;
${chain.readers(node.name, "out", rest)} }`;
}

export function flatMapSource(chain: ChainWriter, node: NodeOf<"flatMap">, at: At): string {
  const list = `l${chain.id()}`;
  const item = `m${chain.id()}`;
  const declared = [list];
  const value = chain.expression(node.expression, at, declared);
  const step = (fail: Fail): string => `${list} = ${value}; if (!Array.isArray(${list})) ${fail(`R.notList(${list})`)}`;
  const each: At = { shape: { kind: "value", leaf: leaf(item) }, raw: undefined, where: at.where };
  const then = `for (const ${item} of ${list}) {\n${chain.readers(node.name, "out", each)}\n}`;
  return chain.guarded(node, at, { declared, step }, then);
}

/** Shows a record; nothing that it does changes the stream. */
export function peekSource(chain: ChainWriter, node: NodeOf<"peek">, at: At): string {
  const declared: string[] = [];
  const shown = peekText(chain, node, { at, declared });
  const names = declared.length === 0 ? "" : `let ${declared.join(", ")};`;
  const due = `(C${chain.index(node.name)}.in - 1) % ${node.every} === 0`;
  return `if (${due}) { ${names} ${shown.made}\npeek(${JSON.stringify(node.name)}, ${shown.text}); }
${chain.readers(node.name, "out", at)}`;
}

function peekText(
  chain: ChainWriter,
  node: NodeOf<"peek">,
  { at, declared }: { at: At; declared: string[] },
): { made: string; text: string } {
  if (node.message !== null) {
    const value = chain.expression(node.message, at, declared);
    return { made: "", text: `R.message(${value}, ${JSON.stringify(node.message)})` };
  }
  const { made, buffer, start, end } = bytesOf(at);
  return { made, text: `R.shown(${buffer}, ${start}, ${end})` };
}
