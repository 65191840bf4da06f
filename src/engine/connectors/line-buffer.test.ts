import { describe, expect, it } from "vitest";
import { outRecord } from "../../../test/builders/connector-context.ts";
import { lineBuffer } from "./line-buffer.ts";

describe("a line buffer", () => {
  it("keeps a record that is spread over lines on one, with the same value", () => {
    const lines = lineBuffer(8);
    const value = { text: "a\nb\r", list: [1, { deep: true }] };
    lines.append(outRecord(null, JSON.stringify(value, null, 2).replaceAll("\n", "\r\n"), 0));
    lines.append(outRecord(null, '{"next":1}', 0));
    const written = lines.take().toString();
    expect(written).not.toContain("\r");
    const [first, second, ...rest] = written.split("\n");
    expect(JSON.parse(first ?? "")).toEqual(value);
    expect([second, ...rest]).toEqual(['{"next":1}', ""]);
  });

  it("writes a record without a value as null, and nothing before or behind it is touched", () => {
    const lines = lineBuffer(8);
    const tombstone = { ...outRecord(null, "xyz", 0), start: 2, end: 1 };
    for (const record of [tombstone, outRecord(null, "1", 0), tombstone]) lines.append(record);
    expect(lines.take().toString()).toBe("null\n1\nnull\n");
  });
});
