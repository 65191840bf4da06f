import { basename } from "node:path";
import { describe, expect, it } from "vitest";
import { isTest, listFiles, read } from "./sources.ts";

const code = listFiles("src/**/*.ts", "src/*.ts", "test/**/*.ts", "scripts/**/*.ts", "bench/**/*.ts");
const lines = (file: string): number => read(file).split("\n").length;

describe("the house", () => {
  it("has no file over 600 lines, and few over 400", () => {
    expect(code.filter((f) => lines(f) > 600)).toEqual([]);
    expect(code.filter((f) => lines(f) > 400).length).toBeLessThanOrEqual(Math.ceil(code.length * 0.05));
  });

  it("names files after what they own", () => {
    const vague = /^(utils?|helpers?|common|types|manager|misc|shared|index)(\.|$)/;
    expect(code.filter((f) => vague.test(basename(f)))).toEqual([]);
    expect(code.filter((f) => !/^[a-z0-9]+([-.][a-z0-9]+)*\.ts$/.test(basename(f)))).toEqual([]);
  });

  it("has a README of at most 40 lines in each folder directly under src", () => {
    const folders = [
      ...new Set(
        code.filter((f) => f.startsWith("src/") && f.split("/").length > 2).map((f) => f.split("/")[1] as string),
      ),
    ];
    const readmes = listFiles("src/*/README.md");
    expect(folders.filter((f) => !readmes.includes(`src/${f}/README.md`))).toEqual([]);
    expect(readmes.filter((f) => lines(f) > 41)).toEqual([]);
  });

  it("has no default exports, enums, namespaces or any in the product", () => {
    const banned =
      /^\s*export default|^\s*(export\s+)?(const\s+)?enum\s|^\s*(export\s+)?namespace\s|\bas any\b|@ts-ignore/m;
    expect(code.filter((f) => !isTest(f) && f !== "test/house/files.test.ts" && banned.test(read(f)))).toEqual([]);
  });

  it("names no package host in the lock file", () => {
    expect(read("package-lock.json")).not.toMatch(/"resolved": *"https?:/);
  });
});
