import { appendFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { followResults } from "./result-reader.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-results-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const row = (tenant: string, windowStart: number): string => `${JSON.stringify({ tenant, windowStart, n: 1 })}\n`;

describe("the demo's result reader", () => {
  it("has no rows while the folder does not exist", async () => {
    expect(await followResults(join(folder, "later"), "tenant").read()).toEqual({ rows: 0, repeated: 0, sample: [] });
  });

  it("reads only what was appended, over all part files", async () => {
    const results = followResults(folder, "tenant");
    await mkdir(join(folder, "s0"));
    await appendFile(join(folder, "s0/part-0"), row("a", 0) + row("b", 0));
    expect((await results.read()).rows).toBe(2);
    await appendFile(join(folder, "s0/part-0"), row("a", 10));
    await appendFile(join(folder, "part-1"), row("c", 10));
    expect(await results.read()).toMatchObject({ rows: 4, repeated: 0 });
  });

  it("does not count a row before its line is complete", async () => {
    const results = followResults(folder, "tenant");
    const text = row("ä", 0);
    await appendFile(join(folder, "p"), text.slice(0, 5));
    expect((await results.read()).rows).toBe(0);
    await appendFile(join(folder, "p"), text.slice(5));
    expect((await results.read()).rows).toBe(1);
  });

  it("sees a window that was written twice", async () => {
    await appendFile(join(folder, "p"), row("a", 0) + row("a", 0));
    expect((await followResults(folder, "tenant").read()).repeated).toBe(1);
  });
});
