import { appendFile, copyFile, mkdtemp, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectorContext } from "../../../../test/builders/connector-context.ts";
import { readFrom } from "../../../../test/builders/source-contract.ts";
import type { Position, SourceReader } from "../connector.ts";
import { plainReader } from "./line-reader.ts";
import { fileSource } from "./source.ts";
import { fileSplitReader } from "./split-reader.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-replaced-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const lines = (name: string, n: number, from = 0): string =>
  Array.from({ length: n }, (_, i) => `{"f":"${name}","i":${from + i}}\n`).join("");

interface Opened {
  readonly reader: SourceReader;
  readonly losses: ReturnType<typeof connectorContext>["losses"];
}

async function open(name: string, position?: Position, follow = false): Promise<Opened> {
  const { source, losses } = connectorContext();
  const split = { id: name, index: 0 };
  return {
    reader: await fileSource.open({ path: join(folder, name), follow }, [{ split, position }], source),
    losses,
  };
}

async function read({ reader }: Opened, count: number): Promise<string> {
  let text = "";
  await readFrom(reader, count, (batch) => {
    for (let i = 0; i < batch.n; i++) {
      const start = batch.off[i] as number;
      text += `${batch.buf.toString("utf8", start, start + (batch.len[i] as number))}\n`;
    }
  });
  return text;
}

/** Reads `count` records, and gives where a checkpoint would go on. */
async function positionAfter(name: string, count: number): Promise<Position> {
  const opened = await open(name);
  await read(opened, count);
  const position = opened.reader.positions().get(name);
  await opened.reader.close();
  // As a manifest keeps it.
  return JSON.parse(JSON.stringify(position)) as Position;
}

const fill = (name: string, text: string): Promise<void> =>
  writeFile(join(folder, name), name.endsWith(".gz") ? gzipSync(text) : text);

const NAMES = ["in.ndjson", "in.ndjson.gz"];

describe("a file that was replaced by a larger one of its name", () => {
  it.each(NAMES)("is read from its beginning, and told (%s)", async (name) => {
    await fill(name, lines("old", 500));
    const position = await positionAfter(name, 500);
    await fill(name, lines("new", 900));
    const opened = await open(name, position);
    expect(await read(opened, 900)).toBe(lines("new", 900));
    expect(opened.losses).toEqual([
      {
        records: 0,
        message: `${name} is another file than the one that was read up to byte ${lines("old", 500).length}: it is read from its beginning, and nothing more of the old one`,
      },
    ]);
    const next = opened.reader.positions().get(name);
    await opened.reader.close();
    const again = await open(name, next);
    await expect
      .poll(() => again.reader.poll() === undefined && again.reader.finished(), { timeout: 60_000 })
      .toBe(true);
    expect(again.losses).toEqual([]);
    await again.reader.close();
  });

  it.each(NAMES)("also where it begins alike, or is shorter than what was read (%s)", async (name) => {
    await fill(name, lines("same", 200) + lines("old", 200));
    const position = await positionAfter(name, 400);
    await fill(name, lines("same", 200) + lines("new", 300));
    const alike = await open(name, position);
    expect(await read(alike, 500)).toBe(lines("same", 200) + lines("new", 300));
    expect(alike.losses).toHaveLength(1);
    await alike.reader.close();
    await fill(name, lines("new", 100));
    const shorter = await open(name, position);
    expect(await read(shorter, 100)).toBe(lines("new", 100));
    expect(shorter.losses).toHaveLength(1);
    await shorter.reader.close();
  });

  it.each(NAMES)("is not one that was copied, or has more behind (%s)", async (name) => {
    await fill(name, lines("old", 500));
    const position = await positionAfter(name, 500);
    await fill(`copy-${name}`, lines("old", 500) + lines("old", 70, 500));
    await copyFile(join(folder, `copy-${name}`), join(folder, name));
    const opened = await open(name, position);
    expect(await read(opened, 70)).toBe(lines("old", 70, 500));
    expect(opened.losses).toEqual([]);
    await opened.reader.close();
  });

  it("is taken on while it is followed, as a log is rotated", async () => {
    const path = join(folder, "app.log");
    await writeFile(path, lines("a", 10));
    const opened = await open("app.log", undefined, true);
    expect(await read(opened, 10)).toBe(lines("a", 10));
    await rename(path, `${path}.1`);
    await appendFile(`${path}.1`, lines("a", 5, 10));
    expect(await read(opened, 5)).toBe(lines("a", 5, 10));
    await writeFile(`${path}.new`, lines("b", 3));
    await rename(`${path}.new`, path);
    expect(await read(opened, 3)).toBe(lines("b", 3));
    await appendFile(path, lines("b", 3, 3));
    expect(await read(opened, 3)).toBe(lines("b", 3, 3));
    expect(opened.losses).toHaveLength(1);
    await opened.reader.close();
  });

  it("loses nothing that is written between the look at the old file's end and its new name", async () => {
    const path = join(folder, "app.log");
    await writeFile(path, lines("a", 10));
    let rotated = false;
    const reader = fileSplitReader({
      split: { id: "app.log", index: 0 },
      from: { offset: 0, line: 0 },
      follow: true,
      replaced: () => undefined,
      open: async (offset) => {
        const opened = await plainReader(path, offset);
        const renamed = async (): Promise<boolean> => {
          if (!rotated) {
            rotated = true;
            await appendFile(path, lines("a", 5, 10));
            await rename(path, `${path}.1`);
            await writeFile(path, lines("b", 3));
          }
          return await opened.renamed();
        };
        return { ...opened, renamed };
      },
    });
    const found: string[] = [];
    for (let fills = 0; fills < 4; fills++) {
      await reader.fill();
      const { buf, off, len, n = 0 } = reader.poll(0) ?? {};
      for (let i = 0; i < n; i++) found.push(`${buf?.toString("utf8", off?.[i], (off?.[i] ?? 0) + (len?.[i] ?? 0))}\n`);
    }
    await reader.close();
    expect(found.join("")).toBe(lines("a", 15) + lines("b", 3));
  });

  it("goes on where the link to a followed file leads to a newer copy of it, as in a mounted ConfigMap", async () => {
    await writeFile(join(folder, "1"), lines("a", 10));
    await writeFile(join(folder, "2"), lines("a", 12));
    await symlink("1", join(folder, "link"));
    const opened = await open("link", undefined, true);
    expect(await read(opened, 10)).toBe(lines("a", 10));
    await symlink("2", join(folder, "next"));
    await rename(join(folder, "next"), join(folder, "link"));
    expect(await read(opened, 2)).toBe(lines("a", 2, 10));
    expect(opened.losses).toEqual([]);
    await opened.reader.close();
  });

  it("is none that was cut off, which ends the job", async () => {
    await fill("in.ndjson", lines("a", 500));
    const position = await positionAfter("in.ndjson", 500);
    await truncate(join(folder, "in.ndjson"), 3000);
    const { reader, losses } = await open("in.ndjson", position);
    await expect(readFrom(reader, 1)).rejects.toMatchObject({ code: "OFFSET_OUT_OF_RANGE" });
    expect(losses).toEqual([]);
    await reader.close();
  });
});

describe("a path without a file", () => {
  it.each([
    ["*.ndjson", "no file matches"],
    ["", "there is no file in"],
  ])("is an error that names it: %s", async (pattern, message) => {
    await writeFile(join(folder, ".hidden"), "1\n");
    await writeFile(join(folder, "..ndjson"), "1\n");
    const path = join(folder, pattern);
    await expect(fileSource.splits({ path }, connectorContext().source)).rejects.toMatchObject({
      code: "SOURCE_UNREACHABLE",
      message: `${message} ${path}: the job begins when there is one. Hidden files do not count`,
    });
  });
});
