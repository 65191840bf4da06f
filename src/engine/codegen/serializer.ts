import { WeirError } from "../../errors.ts";
import type { At } from "./chain.ts";
import type { PrintedTexts } from "./printed.ts";
import { pairTree, presence, readSource } from "./shape.ts";
import type { Leaf, Shape, Tree } from "./shape.ts";

/**
 * Generates the code that writes a built event as JSON into the scratch buffer `o`. A field that is unchanged since it
 * was read is copied as bytes; names and punctuation are stored four bytes at a time, and with what is the same in all rows
 * of a window they are printed once for it.
 */
function serializerSource(root: Tree): string {
  const writer = new SerializerWriter();
  writer.tree(root);
  writer.flush();
  return ["o.at = 0;", ...writer.parts].join("\n");
}

/** The same for an event that is one value. */
const valueSource = (leaf: Leaf): string => `o.at = 0;\n${leafSource(leaf)}`;

const WORD = 4;

class SerializerWriter {
  readonly parts: string[] = [];
  private literal = "";
  /** JavaScript of texts and numbers that are printed once a window, before the literal. */
  private printed: string[] = [];
  private texts: PrintedTexts | undefined;
  private names = 0;

  flush(): void {
    if (this.texts !== undefined) this.flushPrinted(this.texts);
    else if (this.literal !== "") this.parts.push(literalSource(Buffer.from(this.literal)));
    this.literal = "";
  }

  private flushPrinted(texts: PrintedTexts): void {
    const { name, step } = texts.text([...this.printed, JSON.stringify(this.literal)]);
    this.parts.push(`${step} o.putPrinted(${name});`);
    this.printed = [];
    this.texts = undefined;
  }

  private text(text: string): void {
    this.literal += text;
  }

  tree(node: Tree): void {
    this.text("{");
    const conditions = [...node.fields.values()].map(presence);
    if (conditions.every((c) => c === undefined)) this.always(node);
    else this.optional(node, conditions);
    this.text("}");
  }

  private always(node: Tree): void {
    let comma = "";
    for (const [name, child] of node.fields) {
      this.text(`${comma}${JSON.stringify(name)}:`);
      comma = ",";
      this.value(child);
    }
  }

  /** Whether a comma is due is known only when it runs. */
  private optional(node: Tree, conditions: readonly (string | undefined)[]): void {
    const any = `any${this.names++}`;
    this.flush();
    this.parts.push(`{ let ${any} = false;`);
    [...node.fields].forEach(([name, child], i) => {
      this.parts.push(`if (${conditions[i] ?? "true"}) { if (${any}) {`);
      this.text(",");
      this.flush();
      this.parts.push(`} ${any} = true;`);
      this.text(`${JSON.stringify(name)}:`);
      this.value(child);
      this.flush();
      this.parts.push("}");
    });
    this.parts.push("}");
  }

  private value(child: Tree | Leaf): void {
    if (child.kind === "tree") {
      this.tree(child);
      return;
    }
    const { printed, js } = child;
    if (printed !== undefined && (this.texts ?? printed) === printed) {
      this.texts = printed;
      this.printed.push(JSON.stringify(this.literal), js);
      this.literal = "";
      return;
    }
    this.flush();
    this.parts.push(leafSource(child));
  }
}

function literalSource(bytes: Buffer): string {
  const stores: string[] = [];
  let at = 0;
  for (; at + WORD <= bytes.length; at += WORD)
    stores.push(`o.view.setInt32(w + ${at}, ${bytes.readInt32LE(at)}, true);`);
  for (; at < bytes.length; at++) stores.push(`o.bytes[w + ${at}] = ${bytes[at]};`);
  return `w = o.take(${bytes.length}); ${stores.join(" ")}`;
}

/** An object or a list is decoded only where its bytes cannot be copied. */
function leafSource({ slot, js, number, json }: Leaf): string {
  if (number) return `o.putNumber(${js});`;
  if (json !== undefined) return `o.putJson(${json});`;
  if (slot === undefined) return `o.putValue(${js});`;
  const { buffer, start, end, type, canonical } = slot;
  const range = `${buffer}, ${start}, ${end}`;
  if (canonical) return `o.put(${range});`;
  const wide = `o.putScanned({ buffer: ${buffer}, start: ${start}, end: ${end} }, ${type}, ${js})`;
  return `if (${type} < 8 && (${type} !== 4 || isWithinDoubles(${range}))) o.put(${range}); else if ((${type} !== 8 && ${type} !== 9) || !o.putLine(${range})) ${wide};`;
}

/** Where an event's JSON bytes are, and the statements that make them. */
export function bytesOf({ raw, shape }: At): { made: string; buffer: string; start: string; end: string } {
  if (raw !== undefined) return { made: "", ...raw };
  return { made: madeSource(shape), buffer: "o.bytes", start: "0", end: "o.at" };
}

/** Puts the event into `target`: as an object if it came as one, else as bytes, which `target` has as `bytes` says. */
export function recordSource(at: At, target: string, bytes: "bytes" | "value"): string {
  const of = bytesOf(at);
  const put = `${of.made}\n${target}.${bytes} = ${of.buffer}; ${target}.start = ${of.start}; ${target}.end = ${of.end};`;
  if (at.row === undefined) return `${target}.row = undefined;\n${put}`;
  const whole = at.raw === undefined ? readSource(at.shape, []) : at.row;
  return `${target}.row = ${at.row} === undefined ? undefined : ${whole};\nif (${at.row} === undefined) { ${put} }`;
}

function madeSource(shape: Shape): string {
  switch (shape.kind) {
    case "built":
      return serializerSource(shape.root);
    case "value":
      return valueSource(shape.leaf);
    case "rest":
      return valueSource(shape.whole());
    case "pair":
      return serializerSource(pairTree(shape));
    case "record":
      throw new WeirError("INTERNAL", "a record that is as it came has lost its bytes");
  }
}
