import { mkdtempSync, rmSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { storageContract } from "../../../test/builders/storage-contract.ts";
import { openStorage } from "./storage.ts";

const folder = mkdtempSync(join(tmpdir(), "weir-storage-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

storageContract("a folder", (place) => openStorage(`file://${folder}/${place}/`, (path) => path));
storageContract("memory", (place) => openStorage(`memory://storage/${place}`, (path) => path));

describe("a storage URI", () => {
  it("leaves no drafts behind in a folder", async () => {
    const storage = openStorage(`file://${folder}/drafts`, (path) => path);
    await storage.create("m", Buffer.from("1"));
    await storage.create("m", Buffer.from("2"));
    expect(await readdir(join(folder, "drafts"))).toEqual(["m"]);
  });

  it.each([
    ["gs://bucket/x", /gs:\/\/bucket\/x is no storage; use file:\/\/\/…, s3:\/\/bucket\/… or memory:\/\//],
    ["s3://bucket/x", /s3:\/\/bucket\/x needs credentials: name a Secret in spec.checkpoint.storage.secretRef/],
  ])("is refused with what to do: %s", (uri, message) => {
    expect(() => openStorage(uri, (path) => path)).toThrow(message);
  });

  it.each(["s3://b*cket/x", "s3://bucket/a/../b"])("of a bucket or key that cannot be is refused: %s", (uri) => {
    expect(() => openStorage(uri, (path) => path, { secret: () => "x" })).toThrow(/cannot be/);
  });
});
