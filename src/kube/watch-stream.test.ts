import { describe, expect, it } from "vitest";
import { isExpired } from "./kube-error.ts";
import { decodeWatch, lines } from "./watch-stream.ts";

async function* bytes(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
}

describe("the watch stream", () => {
  it("splits lines wherever the chunks end, inside a character too", async () => {
    const text = Buffer.from('{"a":"é"}\n{"b":1}\n');
    for (let cut = 0; cut <= text.length; cut++) {
      const parts = bytes(text.subarray(0, cut), text.subarray(cut));
      expect(await Array.fromAsync(lines(parts))).toEqual(['{"a":"é"}', '{"b":1}']);
    }
  });

  it("drops a last line that was cut off", async () => {
    expect(await Array.fromAsync(lines(bytes('{"a":1}\n{"b":')))).toEqual(['{"a":1}']);
  });

  it("throws what the server says in an ERROR line", async () => {
    const line = JSON.stringify({
      type: "ERROR",
      object: { kind: "Status", code: 410, reason: "Expired", message: "too old" },
    });
    const failure: unknown = await Array.fromAsync(decodeWatch(bytes(`${line}\n`), "watch pods")).catch(
      (e: unknown) => e,
    );
    expect(isExpired(failure)).toBe(true);
    expect(String(failure)).toContain("watch pods: too old");
  });

  it.each(["<html>", "null", "[]", '{"type":"ADDED"}', '{"type":"ADDED","object":null}', '"ADDED"'])(
    "refuses %s instead of handing it on",
    async (line) => {
      await expect(Array.fromAsync(decodeWatch(bytes(`${line}\n`), "watch pods"))).rejects.toMatchObject({
        code: "API_UNAVAILABLE",
      });
    },
  );

  it("refuses a line without an end", async () => {
    const megabyte = Buffer.alloc(1 << 20, 97);
    await expect(Array.fromAsync(lines(bytes(...Array<Buffer>(17).fill(megabyte))))).rejects.toThrow("longer than");
  });
});
