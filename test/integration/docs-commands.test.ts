import { afterAll, beforeAll, describe, it } from "vitest";
import type { Reader } from "../servers/docs-page.ts";
import { startReader } from "../servers/docs-page.ts";

let reader: Reader;
beforeAll(async () => {
  reader = await startReader();
});
afterAll(() => reader.stop());

describe("a page about files", () => {
  it.each(["reference/explain.md", "reference/lint.md", "reference/pipeline-tests.md"])("can be followed: %s", (page) =>
    reader.follow(page),
  );
});
