import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { objectsOf } from "./located-object.ts";
import { readFiles } from "./read-files.ts";

const JOB = "apiVersion: weir.dev/v1alpha1\nkind: StreamingJob\nmetadata: { name: größe }\n";
const latin = Buffer.from(JOB, "latin1");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-read-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function placesOf(names: readonly string[], stdin = Buffer.alloc(0)): Promise<string[]> {
  const files = await readFiles(names, () => Promise.resolve(stdin));
  return files.flatMap((file) => objectsOf(file).findings.map((f) => `${f.line}:${f.column} ${f.message}`));
}

it("refuses standard input that is not UTF-8, as it refuses a file", async () => {
  expect(await placesOf(["-"], latin)).toEqual(["3:21 this character is not UTF-8; save the file as UTF-8"]);
  expect(await placesOf(["-"], Buffer.from(JOB))).toEqual([]);
});

it.each([
  ["behind replacement characters of the file's own", Buffer.concat([Buffer.from("# \uFFFD\uFFFD\n"), latin]), "4:21"],
  ["behind a mark of the byte order", Buffer.concat([Buffer.from("\uFEFFk: "), Buffer.from([0xe9])]), "1:4"],
  ["where a character ends too early", Buffer.concat([Buffer.from("k: ü"), Buffer.from([0xe2, 0x82, 0x41])]), "1:5"],
  ["where a replacement character ends too early", Buffer.from([0x6b, 0xef, 0xbf, 0x41]), "1:2"],
  ["at the start of UTF-16", Buffer.from(`\uFEFF${JOB}`, "utf16le"), "1:1"],
])("finds the first byte that is no UTF-8 %s", async (_, bytes, place) => {
  expect(await placesOf(["-"], bytes)).toEqual([`${place} this character is not UTF-8; save the file as UTF-8`]);
});

it("leaves files of other tools below a folder alone that are not UTF-8, and refuses those with Weir's objects", async () => {
  const other = join(folder, "other.yaml");
  writeFileSync(other, Buffer.from("größe: 1\n", "latin1"));
  expect(await placesOf([folder])).toEqual([]);
  expect(await placesOf([other])).toHaveLength(1);
  writeFileSync(join(folder, "job.yaml"), latin);
  expect(await placesOf([folder])).toHaveLength(1);
  writeFileSync(join(folder, "wide.yaml"), Buffer.from(`\uFEFF${JOB}`, "utf16le"));
  expect(await placesOf([folder])).toHaveLength(2);
});
