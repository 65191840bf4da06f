import { describe, expect, it } from "vitest";
import { IMAGE, VERSION } from "../../src/main/version.ts";
import { listFiles, read } from "./sources.ts";

/** Where somebody is told or given a version of the image. Release notes are of theirs. */
const files = listFiles("README.md", "docs/**/*.md", "config/**/*.yaml", "charts/weir/Chart.yaml");

describe("the version of the product", () => {
  it("is the one that every page and manifest names", () => {
    const named = files.flatMap((file) => {
      const found = read(file).matchAll(/(?:\/weir:|newTag: |^(?:appVersion|version): )(\d+\.\d+\.\d+)/gm);
      return [...found].map(([, version]) => `${file}: ${version}`);
    });
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((line) => !line.endsWith(`: ${VERSION}`))).toEqual([]);
  });

  it("is in the name of the image that is used where none is named", () => {
    expect(IMAGE).toBe(`ghcr.io/weir-dev/weir:${VERSION}`);
    expect(read("config/install.yaml")).toContain(`image: ${IMAGE}\n`);
  });
});
