import type { TextTest } from "../../expression/emitted.ts";
import { PLAIN_STRING } from "../json/scan.ts";
import { locate } from "./shape.ts";
import type { Shape } from "./shape.ts";

/** Printable ASCII without what JSON escapes; a longer one is no name of a kind, and would be much code. */
const PLAIN_TEXT = /^[ !#-[\]-~]{0,32}$/;

/** Compares a field that has bytes with a text, byte by byte: no text is made of the field. */
export function textTest(shape: Shape, path: readonly string[], text: string): ReturnType<TextTest> {
  if (!PLAIN_TEXT.test(text)) return undefined;
  const place = locate(shape, path);
  const slot = place.kind === "leaf" && place.rest.length === 0 ? place.leaf.slot : undefined;
  if (slot === undefined) return undefined;
  const { buffer, start, end, type } = slot;
  const bytes = [...Buffer.from(text)].map((byte, i) => `${buffer}[${start} + ${i + 1}] === ${byte}`);
  return {
    known: `${type} === ${PLAIN_STRING}`,
    same: [`${end} - ${start} === ${text.length + 2}`, ...bytes].join(" && "),
  };
}
