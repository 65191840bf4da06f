import { parseExpression } from "../../expression/parse.ts";
import { textOfPath } from "../../expression/references.ts";
import { plainPath, VARIABLES } from "../planner/field-path.ts";
import type { At, ChainWriter, Fail } from "./chain.ts";
import { isCanonical } from "./shape.ts";
import type { Leaf } from "./shape.ts";

/** Variables of a key's bytes. */
export interface KeyNames {
  readonly buffer: string;
  readonly start: string;
  readonly end: string;
}

/** Tells a state the key of the record that it is asked for next. */
export const tellKey = (state: string, { buffer, start, end }: KeyNames, hash: string): string =>
  `{ const key = ${state}.key; key.bytes = ${buffer}; key.start = ${start}; key.stop = ${end}; key.hash = ${hash}; }`;

interface KeyOf {
  readonly at: At;
  readonly keys: KeyNames;
  readonly declared: string[];
  readonly anyValue?: boolean;
}

/** The key's bytes and its hash: those that were made when the key was sought, else made now. */
export function hashedKey(
  chain: ChainWriter,
  node: { readonly name: string; readonly key: string },
  of: KeyOf & { readonly hash: string },
): (fail: Fail) => string {
  const { at, keys, hash } = of;
  const hashed = keySource(chain, node.key, of);
  const sought = chain.sought.get(node.name);
  if (sought === undefined || sought.shape !== at.shape) return hashed;
  const { buffer, start, end, hash: known } = sought.names;
  const taken = `${keys.buffer} = ${buffer}; ${keys.start} = ${start}; ${keys.end} = ${end}; ${hash} = ${known};`;
  return (fail) => `if (${start} >= 0) { ${taken} } else { ${hashed(fail)} }`;
}

/** The key's bytes: those of the record where they are canonical JSON already, else made from the value. And their `hash`, where there is a variable for it. */
export function keySource(
  chain: ChainWriter,
  key: string,
  { at, keys, declared, hash, anyValue = false }: KeyOf & { readonly hash?: string },
): (fail: Fail) => string {
  const k = `k${chain.id()}`;
  const value = chain.expression(key, at, declared);
  const hashed = hash === undefined ? "" : `${hash} = murmur2(${keys.buffer}, ${keys.start}, ${keys.end});`;
  const slot = chain.copied(key, at)?.slot;
  const listed = slot === undefined ? listSource(chain, key, { at, keys, hash }) : undefined;
  return (fail) => {
    const general = `const ${k} = R.${anyValue ? "valueBytes" : "keyBytes"}(${value}); if (${k} !== undefined) ${fail(k)} ${keys.buffer} = R.key; ${keys.start} = 0; ${keys.end} = R.keyLength;`;
    if (slot === undefined) return listed === undefined ? `${general}\n${hashed}` : listed(`${general} ${hashed}`);
    const { buffer, start, end } = slot;
    const own = `${keys.buffer} = ${buffer}; ${keys.start} = ${start}; ${keys.end} = ${end};`;
    return `if ${isCanonical(slot)} { ${own} } else { ${general} }\n${hashed}`;
  };
}

interface ListOf {
  readonly at: At;
  readonly keys: KeyNames;
  readonly hash: string | undefined;
}

/** A list of fields: its bytes are theirs, where all of them are canonical JSON already, or plain integers. */
function listSource(chain: ChainWriter, key: string, of: ListOf): ((general: string) => string) | undefined {
  const { at, keys, hash } = of;
  const leaves = listedFields(key)?.map((field) => chain.copied(field, at)) ?? [];
  const others = leaves.findIndex((leaf) => leaf?.printed === undefined);
  const items = leaves.slice(others < 0 ? leaves.length : others).map(itemSource);
  if (leaves.length === 0 || !items.every((item) => item !== undefined)) return undefined;
  const before = printedItems(leaves.slice(0, leaves.length - items.length), items.length === 0);
  const set = (buffer: string, end: string, hashed: string): string =>
    `${keys.buffer} = ${buffer}; ${keys.start} = 0; ${keys.end} = ${end};${hash === undefined ? "" : ` ${hash} = ${hashed};`}`;
  if (items.length === 0 && before !== undefined)
    return () => `${before.step} ${set(`${before.name}.bytes`, `${before.name}.length`, `${before.name}.hash`)}`;
  const first = before === undefined ? "R.list.begin();" : `${before.step} R.list.beginWith(${before.name});`;
  return (general) => `if (${items.map(({ quick }) => quick).join(" && ")}) {
  ${first}
  ${items.map(({ put }) => put).join("\n  ")}
  ${set("R.list.bytes", "R.list.end()", `R.list.hash(0, ${keys.end})`)}
} else { ${general} }`;
}

/** The items that a list begins with, where they are the same for all rows of a window. */
function printedItems(leaves: readonly (Leaf | undefined)[], isAll: boolean) {
  const parts = leaves.flatMap((leaf, i) => [i === 0 ? '"["' : '","', leaf?.js ?? ""]);
  const texts = leaves[0]?.printed;
  return isAll ? texts?.text([...parts, '"]"'], "printKey") : texts?.text(parts);
}

/** One item of such a list: the condition under which it is quick, and how it is put. */
function itemSource(leaf: Leaf | undefined): { quick: string; put: string } | undefined {
  if (leaf?.slot !== undefined) {
    const { buffer, start, end } = leaf.slot;
    return { quick: isCanonical(leaf.slot), put: `R.list.item(0, ${buffer}, ${start}, ${end});` };
  }
  const number = leaf?.number === true ? leaf.js : leaf?.numeric;
  if (number === undefined) return undefined;
  return { quick: `isPlainInt(${number})`, put: `R.list.plainInt(0, ${number});` };
}

/** The expressions of `[event.a, event.b]`; undefined for anything else. */
function listedFields(expression: string): string[] | undefined {
  const { ast } = parseExpression(expression, { variables: VARIABLES });
  if (ast.kind !== "list" || ast.items.length === 0 || !ast.items.every((item) => item.kind === "path"))
    return undefined;
  return ast.items.map(({ path }) => textOfPath(path));
}

/** The fields of the event that a key is, or is a list of; undefined for a key that is calculated. */
export function keyFields(key: string): { fields: readonly (readonly string[])[]; isList: boolean } | undefined {
  const listed = listedFields(key);
  const fields = (listed ?? [key]).map((field) => plainPath(field));
  return fields.every((path) => path !== undefined) ? { fields, isList: listed !== undefined } : undefined;
}
