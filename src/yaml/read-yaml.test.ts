import fc from "fast-check";
import { dump } from "js-yaml";
import { describe, expect, it } from "vitest";
import { findKeys, findPath, startOf } from "./find-place.ts";
import { lineColumn } from "./line-column.ts";
import { readYaml } from "./read-yaml.ts";
import type { YamlDocument } from "./read-yaml.ts";
import { scalarOffset } from "./scalar-offset.ts";

/** The text from the place on that a path is found at. */
function at(text: string, path: string): { line: number; column: number; rest: string } {
  const found = findPath(readYaml(text)[0]?.root() as never, path, text);
  return { ...lineColumn(text, startOf(found.node)), rest: found.rest };
}

describe("reading YAML", () => {
  it("gives JSON's types only, and a document each", () => {
    const values = readYaml("a: 2026-01-01\nb: 0o17\nc: ~\n---\n---\n[1, yes]\n").map((d) => d.value);
    expect(values).toEqual([{ a: "2026-01-01", b: 15, c: null }, null, [1, "yes"]]);
  });

  it.each([
    ["a key that is there twice", "a: 1\na: 2\n", "line 2, column 1: duplicated mapping key"],
    ["a list that does not end", "a: [1", "line 1, column 6: unexpected end of the stream within a flow collection"],
    [
      "an expression that YAML takes apart",
      "a: {b: event.c ? [1] : 2}",
      "column 18: missed comma between flow collection entries; an expression with a comma, a bracket",
    ],
    ["an expression that begins with !", "a: !event.b", "column 4: unknown scalar tag !<!event.b>; a text that begins"],
    ["a tab", "a:\n\tb: 1", "line 2, column 1: tab characters must not be used in indentation; indent by spaces"],
    ["a text that is UTF-16", "a\u0000:\u0000", "null byte is not allowed in input; save the file as UTF-8"],
    [
      "a tag of a program",
      'a: !!js/function "x"',
      "line 1, column 4: unknown scalar tag !<tag:yaml.org,2002:js/function>",
    ],
  ])("refuses %s with its place", (_, text, message) => {
    expect(() => readYaml(text)).toThrow(message);
  });

  it("merges what << names, as kubectl does: own fields count, then the earlier of several", () => {
    const text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 5}\n";
    expect(readYaml(text)[0]?.value).toMatchObject({ c: { x: 5, y: 2, z: 4 } });
  });

  it("refuses what aliases blow up", () => {
    const levels = Array.from({ length: 9 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i},`.repeat(9)}]`);
    expect(() => readYaml(["l0: &l0 [x]", ...levels].join("\n"))).toThrow("more than 200000 values by its aliases");
  });

  it("does not count a byte order mark as a character", () => {
    expect(() => readYaml("\uFEFFa: 1\na: 2\n")).toThrow("line 2, column 1");
  });
});

describe("places of a document", () => {
  const text = [
    "spec:",
    "  nodes:",
    "    - name: hot",
    "      filter: event.a > 1",
    "      map: {a.b: x, 'c': [1,",
    "        2]}",
    "  again: *x".replace("*x", "&x {deep: 1}"),
    "  same: *x",
    "  empty:",
    "",
  ].join("\n");

  it.each([
    ["spec.nodes", 2, 3, ""],
    ["spec.nodes[hot]", 3, 7, ""],
    ["spec.nodes[hot].filter", 4, 15, ""],
    ["spec.nodes[0].map.a.b", 5, 18, ""],
    ["spec.nodes[hot].map.c[1]", 6, 9, ""],
    ["spec.same.deep", 7, 20, ""],
    ["spec.empty", 9, 3, ""],
    ["spec.nodes[hot].from", 3, 7, ".from"],
    ["spec.nodes[cold].from", 2, 3, "[cold].from"],
  ])("finds %s", (path, line, column, rest) => {
    expect(at(text, path)).toEqual({ line, column, rest });
  });

  it("follows keys and indexes", () => {
    const root = readYaml(text)[0]?.root() as never;
    expect(lineColumn(text, startOf(findKeys(root, ["spec", "nodes", 0, "name"]).node))).toEqual({
      line: 3,
      column: 13,
    });
  });
});

describe("a character of a value", () => {
  const place = (text: string, part: string): { line: number; column: number } => {
    const [document] = readYaml(text) as [YamlDocument];
    const { node } = findPath(document.root(), "a", text);
    const { a: value } = document.value as { a: string };
    return lineColumn(text, scalarOffset(text, node.scalar as never, value.indexOf(part)));
  };

  it.each([
    ["a plain text", "a: one two\n", "two", 1, 8],
    ["a plain text over lines", "a: one\n  two\n\n  three\n", "three", 4, 3],
    ["single quotes", "a: 'it''s two'\n", "two", 1, 11],
    ["double quotes", 'a: "\\u0041\\n\\"two"\n', "two", 1, 15],
    ["double quotes over lines", 'a: "one\\\n   two\n   three"\n', "three", 3, 4],
    ["a literal block", "a: |\n  one\n\n    two\n  three\n", "two", 4, 5],
    ["a folded block", "a: >-\n  one\n  two\n\n   more\n  three\n", "three", 6, 3],
    ["a literal block with an indentation of its own", "a: |1\n   one\n two\n", "two", 3, 2],
    ["lines that end as on Windows", "a: |\r\n  one\r\n  two\r\n", "two", 3, 3],
  ])("is found in %s", (_, text, part, ...[line, column]) => {
    expect(place(text, part)).toEqual({ line, column });
  });

  it("is that character, wherever it is written as itself", () => {
    const texts = fc.string({ unit: fc.constantFrom("a", "b", " ", "\n", "'", '"', ":", "é", "\t"), maxLength: 30 });
    const options = fc.record({
      quoteStyle: fc.constantFrom("single", "double"),
      lineWidth: fc.constantFrom(5, 20, -1),
    });
    fc.assert(
      fc.property(texts, options, (value, how) => {
        const text = dump({ a: value }, how as never);
        const { node } = findPath(readYaml(text)[0]?.root() as never, "a", text);
        for (let i = 0; i < value.length; i++) {
          const offset = scalarOffset(text, node.scalar as never, i);
          expect(offset).toBeLessThanOrEqual(text.length);
          if (/[abé]/.test(value[i] as string)) expect(text[offset]).toBe(value[i]);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
