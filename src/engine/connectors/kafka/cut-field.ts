import { endOfName, ODD, scanValue, skipSpace } from "../../json/scan.ts";

interface Range {
  readonly start: number;
  readonly end: number;
}

/** A record without one of its fields, and that field. */
export interface Cut extends Range {
  readonly value: Buffer;
  readonly field: unknown;
}

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPENING = 123;
const CLOSING = 125;

/**
 * Takes a field out of a JSON object; the rest keeps the bytes that it has. Undefined where there is no such field, or the
 * record is no object. Where two fields have the name, the last goes, which is the one that counts.
 */
export function cutField(buf: Buffer, { start, end }: Range, name: string): Cut | undefined {
  const place = placeOf(buf, { start, end }, Buffer.from(name));
  if (place === undefined) return undefined;
  if (place !== "odd") return cutOut(buf, { start, end }, place);
  const object = parsed(buf.toString("utf8", start, end));
  return object === undefined ? cutEnd(buf, { start, end }, name) : withoutField(object, name);
}

function cutOut(buf: Buffer, { start, end }: Range, place: Place): Cut | undefined {
  const field = parsed(buf.toString("utf8", place.value, place.valueEnd));
  if (field === undefined) return undefined;
  const value = Buffer.concat([buf.subarray(start, place.start), buf.subarray(place.end, end)]);
  return { value, start: 0, end: value.length, field };
}

/** From a record that is no JSON what a source has put behind it: so a dead letter has its key and its own bytes. */
function cutEnd(buf: Buffer, { start, end }: Range, name: string): Cut | undefined {
  const named = `${JSON.stringify(name)}:`;
  const at = start + buf.subarray(start, end).lastIndexOf(`${named}{"key":`);
  const close = start + buf.subarray(start, end).lastIndexOf(CLOSING);
  if (at < start) return undefined;
  const from = buf[at - 1] === COMMA ? at - 1 : at;
  return cutOut(buf, { start, end }, { start: from, end: close, value: at + named.length, valueEnd: close });
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** For names with escapes and deep nesting. */
function withoutField(object: unknown, name: string): Cut | undefined {
  if (typeof object !== "object" || object === null || !Object.hasOwn(object, name)) return undefined;
  const { [name]: field, ...rest } = object as Readonly<Record<string, unknown>>;
  const value = Buffer.from(JSON.stringify(rest));
  return { value, start: 0, end: value.length, field };
}

interface Place extends Range {
  readonly value: number;
  readonly valueEnd: number;
}

/** From where to where a field is, with the comma that goes with it. */
function placeOf(b: Buffer, { start, end }: Range, name: Buffer): Place | "odd" | undefined {
  let at = skipSpace(b, start);
  if (b[at] !== OPENING) return "odd";
  at = skipSpace(b, at + 1);
  let found: Place | undefined;
  let comma = -1;
  while (b[at] !== CLOSING || comma >= 0) {
    const field = fieldAt(b, at);
    if (field === undefined) return "odd";
    const behind = skipSpace(b, field.valueEnd);
    if (b.compare(name, 0, name.length, at + 1, field.nameEnd) === 0) {
      const first = b[behind] === COMMA ? skipSpace(b, behind + 1) : field.valueEnd;
      found = { ...field, ...(comma < 0 ? { start: at, end: first } : { start: comma, end: field.valueEnd }) };
    }
    at = behind;
    if (b[at] === CLOSING) break;
    if (b[at] !== COMMA) return "odd";
    comma = at;
    at = skipSpace(b, at + 1);
  }
  return skipSpace(b, at + 1) >= end && at < end ? found : "odd";
}

/** Names with escapes could be any name, and end at nothing that is seen here. */
function fieldAt(b: Buffer, at: number): { nameEnd: number; value: number; valueEnd: number } | undefined {
  if (b[at] !== QUOTE) return undefined;
  const nameEnd = endOfName(b, at + 1);
  if (nameEnd === ODD) return undefined;
  const colon = skipSpace(b, nameEnd + 1);
  if (b[colon] !== COLON) return undefined;
  const value = skipSpace(b, colon + 1);
  const scanned = scanValue(b, value, 1);
  return scanned === ODD ? undefined : { nameEnd, value, valueEnd: scanned >>> 4 };
}
