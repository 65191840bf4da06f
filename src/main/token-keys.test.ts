import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readTokenKeys } from "./token-keys.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-keys-"));
afterAll(() => rmSync(folder, { recursive: true }));

function keysIn(text: string): ReturnType<typeof readTokenKeys> {
  const file = join(folder, "key");
  writeFileSync(file, text);
  return readTokenKeys(file);
}
const [newer, older] = ["0123456789abcdef", "fedcba9876543210"];

describe("the file with the keys of worker tokens", () => {
  it("has one key, or the newest first and those of before on further lines", async () => {
    expect(await keysIn(newer)).toEqual([newer]);
    expect(await keysIn(`\n ${newer}\r\n${older}\n\n`)).toEqual([newer, older]);
  });

  it("is refused with a key that is too short, with none, with too many, and when it is not there", async () => {
    await expect(keysIn(`${newer}\nshort`)).rejects.toThrow(/a key in .* is shorter than 16 characters/);
    await expect(keysIn("")).rejects.toThrow(/shorter than 16/);
    await expect(keysIn(`${newer}\n`.repeat(9))).rejects.toThrow(/more than 8 keys/);
    await expect(readTokenKeys(join(folder, "none"))).rejects.toThrow(/cannot read --token-key-file/);
  });
});
