import { WeirError } from "../../../errors.ts";
import { DEFAULT_FIELDS, type DatagenField } from "../../../api/datagen.schema.ts";

/** Where a field's value comes from; `lane` makes the random numbers of two fields independent. */
export type Piece =
  | { readonly kind: "bytes"; readonly bytes: Buffer }
  | { readonly kind: "sequence"; readonly start: number }
  | { readonly kind: "uniform"; readonly lane: number; readonly min: number; readonly span: number }
  | { readonly kind: "choice"; readonly lane: number; readonly values: readonly Buffer[] }
  | { readonly kind: "key"; readonly lane: number; readonly count: number; readonly prefix: Buffer }
  | { readonly kind: "label"; readonly lane: number; readonly count: number; readonly prefix: Buffer }
  | { readonly kind: "timestamp" };

interface Tree {
  readonly fields: Map<string, Tree | DatagenField>;
}

/** The record as a row of literal bytes and generated values, in the order of the fields. */
export function compileFields(fields: readonly DatagenField[] = DEFAULT_FIELDS): Piece[] {
  const root: Tree = { fields: new Map() };
  for (const field of fields) insert(root, field, field.path.split("."));
  const pieces: Piece[] = [];
  let lane = 0;
  const emit = (tree: Tree): void => {
    let first = true;
    for (const [name, child] of tree.fields) {
      pieces.push(literal(`${first ? "{" : ","}${JSON.stringify(name)}:`));
      first = false;
      if ("fields" in child) emit(child);
      else pieces.push(...valuePieces(child, lane++));
    }
    pieces.push(literal(first ? "{}" : "}"));
  };
  emit(root);
  return joinLiterals(pieces);
}

function insert(tree: Tree, field: DatagenField, path: readonly string[]): void {
  const [name = "", ...rest] = path;
  const existing = tree.fields.get(name);
  if (rest.length === 0 && existing === undefined) {
    tree.fields.set(name, field);
    return;
  }
  const child = existing ?? { fields: new Map() };
  if (rest.length === 0 || !("fields" in child)) {
    throw new WeirError("SPEC_INVALID", `datagen: field ${field.path} is given twice, or below a field with a value`);
  }
  tree.fields.set(name, child);
  insert(child, field, rest);
}

const literal = (text: string): Piece => ({ kind: "bytes", bytes: Buffer.from(text) });
const quoted = (text: string): Buffer => Buffer.from(JSON.stringify(text));
/** The opening quote and the text, still without the closing quote. */
const opened = (text: string): Buffer => Buffer.from(JSON.stringify(text).slice(0, -1));

function valuePieces(field: DatagenField, lane: number): Piece[] {
  const { sequence, uniform, choice, key, label, constant } = field;
  if (sequence !== undefined) return [{ kind: "sequence", start: sequence.start ?? 0 }];
  if (uniform !== undefined) {
    return [{ kind: "uniform", lane, min: uniform.min, span: Math.max(0, uniform.max - uniform.min) + 1 }];
  }
  if (choice !== undefined) return [{ kind: "choice", lane, values: choice.values.map(quoted) }];
  if (key !== undefined) return [{ kind: "key", lane, count: key.count, prefix: opened(key.prefix) }, literal('"')];
  if (label !== undefined) {
    return [{ kind: "label", lane, count: label.count, prefix: opened(label.prefix) }, literal('"')];
  }
  if (constant !== undefined) return [{ kind: "bytes", bytes: quoted(constant.value) }];
  return [{ kind: "timestamp" }];
}

function joinLiterals(pieces: readonly Piece[]): Piece[] {
  const joined: Piece[] = [];
  for (const piece of pieces) {
    const last = joined.at(-1);
    if (piece.kind === "bytes" && last?.kind === "bytes") {
      joined[joined.length - 1] = { kind: "bytes", bytes: Buffer.concat([last.bytes, piece.bytes]) };
    } else {
      joined.push(piece);
    }
  }
  return joined;
}
