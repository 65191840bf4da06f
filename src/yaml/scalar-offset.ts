import { getScalarValue, SCALAR_STYLE } from "js-yaml";
import type { ScalarEvent } from "js-yaml";

/**
 * Where a character of a scalar's value is in the text: value and text are walked side by side. What a line break became
 * is found at the break. When they do not correspond, it is the scalar's start.
 */
export function scalarOffset(source: string, scalar: ScalarEvent, offset: number): number {
  if (scalar.valueStart < 0) return 0;
  const value = getScalarValue(source, scalar);
  const wanted = Math.min(offset, value.length);
  const isBlock = scalar.style === SCALAR_STYLE.LITERAL_BLOCK || scalar.style === SCALAR_STYLE.FOLDED_BLOCK;
  const at = isBlock ? inBlock(source, scalar, { value, wanted }) : inFlow(source, scalar, { value, wanted });
  return Math.min(at ?? scalar.valueStart, source.length);
}

interface Sought {
  readonly value: string;
  readonly wanted: number;
}

const FOLD = /[ \t]*(\r\n|\r|\n)[ \t\r\n]*/y;

/** Plain and quoted scalars: a run of white space with line breaks is a space, or one break less than it has. */
function inFlow(source: string, scalar: ScalarEvent, { value, wanted }: Sought): number | undefined {
  let at = scalar.valueStart;
  for (let i = 0; i < wanted;) {
    if (at >= scalar.valueEnd) return undefined;
    const { taken, made } = piece(source, at, scalar.style);
    if (made > 0 && i + made > wanted) return at;
    if (made === 1 && taken === 1 && source[at] !== value[i]) return undefined;
    at += taken;
    i += made;
  }
  return at;
}

/** The next characters of the text and how many of the value they make. */
function piece(source: string, at: number, style: ScalarEvent["style"]): { taken: number; made: number } {
  FOLD.lastIndex = at;
  const fold = FOLD.exec(source)?.[0];
  if (fold !== undefined) return { taken: fold.length, made: Math.max(1, breaksIn(fold) - 1) };
  if (style === SCALAR_STYLE.SINGLE_QUOTED && source.startsWith("''", at)) return { taken: 2, made: 1 };
  if (style === SCALAR_STYLE.DOUBLE_QUOTED && source[at] === "\\") return escape(source, at);
  return { taken: 1, made: 1 };
}

const LENGTHS: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };

function escape(source: string, at: number): { taken: number; made: number } {
  FOLD.lastIndex = at + 1;
  const fold = FOLD.exec(source)?.[0];
  if (fold !== undefined) return { taken: 1 + fold.length, made: breaksIn(fold) - 1 };
  const taken = LENGTHS[source[at + 1] ?? ""] ?? 2;
  const made = taken === 10 && Number.parseInt(source.slice(at + 2, at + 10), 16) > 0xffff ? 2 : 1;
  return { taken, made };
}

const breaksIn = (text: string): number => text.match(/\r\n|\r|\n/g)?.length ?? 0;

/** Block scalars: lines of the text without their indentation; breaks stay, or become a space where lines are folded. */
function inBlock(source: string, scalar: ScalarEvent, { value, wanted }: Sought): number | undefined {
  let i = 0;
  for (const { start, text } of linesOf(source, scalar)) {
    const content = text.slice(Math.max(0, scalar.indent));
    if (value.startsWith(content, i)) {
      const isHere = wanted < i + content.length || (wanted === i + content.length && isBreak(value[wanted]));
      if (isHere) return start + Math.min(text.length, Math.max(0, scalar.indent) + wanted - i);
      i += content.length;
    } else if (content.trim() !== "") return undefined;
    const isFolded = value[i] === " " && !/^\s/.test(value.slice(i + 1, i + 2));
    if (value[i] === "\n" || isFolded) i++;
  }
  return undefined;
}

const isBreak = (character: string | undefined): boolean => character === undefined || /\s/.test(character);

function linesOf(source: string, { valueStart, valueEnd }: ScalarEvent): { start: number; text: string }[] {
  const lines: { start: number; text: string }[] = [];
  let start = valueStart;
  for (const match of source.slice(valueStart, valueEnd).matchAll(/(.*?)(\r\n|\r|\n|$)/gs)) {
    lines.push({ start, text: match[1] ?? "" });
    start += match[0].length;
  }
  return lines;
}
