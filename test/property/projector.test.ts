import { expect, it } from "vitest";
import { ownField } from "../../src/engine/own-field.ts";
import { projector } from "../../src/engine/json/project.ts";
import { finderByShape, inMemory, recordsOf } from "../builders/found-by-shape.ts";
import { hostileDocument, sibling } from "../builders/hostile-json.ts";
import { random } from "../builders/random.ts";

const DOCUMENTS = process.env["WEIR_LONG"] === "1" ? 1_500_000 : 100_000;
const WANTED = [
  ["type"],
  ["a"],
  ["ts"],
  ["payload", "lag"],
  ["payload", "host"],
  ["a", "b", "c"],
  ["payload"],
  ["__proto__"],
];

it("finds in any bytes what JSON.parse finds, or leaves them to it", () => {
  const project = projector(WANTED);
  const r = random(20260101);
  let valid = 0;
  let fast = 0;
  for (let n = 0; n < DOCUMENTS; n++) {
    const document = hostileDocument(r);
    const before = r.below(3);
    // What is behind a record in the buffer must not matter: another record, or nothing.
    const buffer = Buffer.concat([
      Buffer.alloc(before, 32),
      document,
      Buffer.from(r.pick(["", '"}]1', "\n{}", "0e", '"'])),
    ]);
    const found = project(buffer, before, before + document.length);
    const expected = parsed(document);
    if (expected !== undefined) valid++;
    if (found === "odd") continue;
    fast++;
    if (!same(found, expected))
      expect({ document: document.toString(), found }).toEqual({ document: document.toString(), found: expected });
  }
  console.log(`projector: ${DOCUMENTS} documents, ${valid} valid, ${fast} without JSON.parse, 0 differences`);
  expect(fast).toBeGreaterThan(valid * 0.5);
  expect(valid).toBeLessThan(DOCUMENTS);
});

it("finds by the shape of an earlier record what JSON.parse finds, or leaves it to the others", () => {
  // A shape is not told of a field that is read as a whole and in parts.
  const wanted = WANTED.filter((path) => !WANTED.some((other) => other.length > path.length && other[0] === path[0]));
  const r = random(20260102);
  let fitted = 0;
  for (let shape = 0; shape < DOCUMENTS / SIBLINGS; shape++) {
    const first = hostileDocument(r);
    const documents = Array.from({ length: SIBLINGS }, (_, n) => (n === 0 ? first : sibling(r, first)));
    const behind = (): string => r.pick(["", '"}]1    ', "\n{}\n{}{}", "0e00000", '",":{}",":{}']);
    const records = recordsOf(documents, behind);
    const placed = shape % 2 === 0 ? records : inMemory(records);
    for (const [n, found] of finderByShape(wanted)(placed).entries()) {
      if (found === undefined) continue;
      fitted++;
      const document = documents[n] as Buffer;
      const expected = parsed(document, wanted);
      if (!same(found, expected))
        expect({ document: document.toString(), found }).toEqual({ document: document.toString(), found: expected });
    }
  }
  console.log(`layouts: ${DOCUMENTS} documents, ${fitted} by their shape, 0 differences`);
  expect(fitted).toBeGreaterThan(DOCUMENTS * 0.05);
});

const SIBLINGS = 50;

function parsed(document: Buffer, wanted: readonly (readonly string[])[] = WANTED): unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(document.toString("utf8"));
    return wanted.map((path) => ownField(value, path));
  } catch {
    return undefined;
  }
}

function same(a: readonly unknown[], b: readonly unknown[] | undefined): boolean {
  return b !== undefined && a.every((v, i) => Object.is(v, b[i]) || JSON.stringify(v) === JSON.stringify(b[i]));
}
