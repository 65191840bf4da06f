import type { Random } from "./random.ts";

/** JSON as streams really bring it: odd spacing, escapes, duplicate names, every form of number, and broken bytes. */
const NAMES = [
  "a",
  "b",
  "c",
  "ab",
  "type",
  "ts",
  "tenant",
  "payload",
  "lag",
  "host",
  "__proto__",
  "имя",
  "x y",
] as const;
const STRINGS = [
  '""',
  '"a"',
  '"metrics"',
  '"\\u0061b"',
  '"é€😀"',
  '"\\ud800"',
  '"\\n\\t\\"\\\\\\/"',
  '"tenant-17"',
  '"x y z"',
] as const;
const NUMBERS = [
  "0",
  "-0",
  "1",
  "-1",
  "17",
  "1.5",
  "-2.25e3",
  "1e2",
  "1E+2",
  "1e-7",
  "123456789012345",
  "9007199254740993",
  "1e400",
  "20000",
  "1.0",
] as const;
const BROKEN = [
  "01",
  "1.",
  "+1",
  ".5",
  "1e",
  "tru",
  "nul",
  "'a'",
  '"\\x"',
  '"\\u12g4"',
  '"a\nb"',
  "{,}",
  "[1,]",
  "{a:1}",
  '{"a" 1}',
  "NaN",
  "",
  '"open',
  "-",
  "{",
  "[",
  '"\\',
] as const;
const SPACES = ["", "", "", "", " ", "\n", "\t\r ", "  "] as const;

export function hostileDocument(r: Random): Buffer {
  const text = Buffer.from(value(r, 0, r.chance(0.85)));
  return r.chance(0.25) ? mutated(r, text) : text;
}

/** The same document with other values here and there, or broken. */
export function sibling(r: Random, document: Buffer): Buffer {
  const text = document
    .toString("latin1")
    .replaceAll(/"(?:[^"\\]|\\.)*"(?!\s*:)|-?\d[\d.eE+-]*|true|false|null/g, (scalar) =>
      r.chance(0.5) ? otherScalar(r, scalar) : scalar,
    );
  const bytes = Buffer.from(text, "latin1");
  return r.chance(0.25) ? mutated(r, bytes) : bytes;
}

function otherScalar(r: Random, scalar: string): string {
  if (r.chance(0.1)) return Buffer.from(value(r, 2, false)).toString("latin1");
  if (!scalar.startsWith('"')) return r.pick(NUMBERS);
  return Buffer.from(r.pick(STRINGS)).toString("latin1");
}

function value(r: Random, depth: number, object: boolean): string {
  const kind = object ? 6 : r.below(depth > 4 ? 6 : 8);
  switch (kind) {
    case 0:
    case 1:
      return r.pick(STRINGS);
    case 2:
    case 3:
      return r.pick(NUMBERS);
    case 4:
      return r.pick(["true", "false", "null"]);
    case 5:
      return r.chance(0.03) ? r.pick(BROKEN) : String(r.below(20_000));
    case 6:
      return members(r, depth);
    default:
      return `[${r.pick(SPACES)}${Array.from({ length: r.below(4) }, () => value(r, depth + 1, false)).join(`${r.pick(SPACES)},`)}${r.pick(SPACES)}]`;
  }
}

function members(r: Random, depth: number): string {
  const fields = Array.from({ length: r.below(6) }, () => {
    const name = r.chance(0.05) ? '"\\u0061"' : JSON.stringify(r.pick(NAMES));
    return `${r.pick(SPACES)}${name}${r.pick(SPACES)}:${r.pick(SPACES)}${value(r, depth + 1, depth < 2 && r.chance(0.3))}${r.pick(SPACES)}`;
  });
  return `${r.pick(SPACES)}{${fields.join(",")}${fields.length === 0 ? r.pick(SPACES) : ""}}${r.pick(SPACES)}`;
}

/** One byte changed, removed or added, or the end cut off. */
function mutated(r: Random, text: Buffer): Buffer {
  const at = r.below(text.length + 1);
  const byte = Buffer.from([
    r.chance(0.7) ? r.pick([...Buffer.from('{}[]",:\\0-e. tn\n\u007f')] as [number, ...number[]]) : r.below(256),
  ]);
  switch (r.below(4)) {
    case 0:
      return Buffer.concat([text.subarray(0, at), byte, text.subarray(at + 1)]);
    case 1:
      return Buffer.concat([text.subarray(0, at), text.subarray(at + 1)]);
    case 2:
      return Buffer.concat([text.subarray(0, at), byte, text.subarray(at)]);
    default:
      return text.subarray(0, at);
  }
}
