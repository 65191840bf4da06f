import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LogOptions, readLog } from "./logs.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-log-"));
  file = join(folder, "0.log");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const all: LogOptions = {
  follow: false,
  tailLines: undefined,
  limitBytes: undefined,
  signal: new AbortController().signal,
};

async function text(options: Partial<LogOptions>): Promise<string> {
  let out = "";
  for await (const chunk of readLog(file, { ...all, ...options })) out += Buffer.from(chunk).toString();
  return out;
}

describe("a container's log", () => {
  it("is empty before the container wrote anything", async () => {
    expect(await text({})).toBe("");
  });

  it("comes whole, or from the last lines on", async () => {
    const lines = Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`);
    await writeFile(file, lines.join(""));
    expect(await text({})).toBe(lines.join(""));
    expect(await text({ tailLines: 2 })).toBe("line 19998\nline 19999\n");
    expect(await text({ tailLines: 15_000 })).toBe(lines.slice(5_000).join(""));
    expect(await text({ tailLines: 30_000 })).toBe(lines.join(""));
    expect(await text({ tailLines: 0 })).toBe("");
  });

  it("stops at the asked number of bytes", async () => {
    await writeFile(file, "abcdef");
    expect(await text({ limitBytes: 4 })).toBe("abcd");
  });

  it("goes on with what is appended while it is followed", async () => {
    await writeFile(file, "one\n");
    const abort = new AbortController();
    const seen: string[] = [];
    for await (const chunk of readLog(file, { ...all, follow: true, signal: abort.signal })) {
      seen.push(Buffer.from(chunk).toString());
      if (seen.length === 1) await appendFile(file, "two\n");
      else abort.abort();
    }
    expect(seen.join("")).toBe("one\ntwo\n");
  });
});
