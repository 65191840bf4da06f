import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { stateFolder } from "./state-folder.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "weir-state-folder-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const folderOf = (jobUid: string, epoch: number, slot: number, attempt: number): string =>
  stateFolder({ jobUid, epoch }, { slot, attempt }, (path) => join(root, path));

/** Its worker has begun to write. */
function filled(folder: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "000012.sst"), "rows");
  return folder;
}

describe("the folder for the files of state on a volume that workers share", () => {
  it("is one of each worker's own, and the same for a container that is started again", () => {
    const ofA = [folderOf("a", 1, 0, 0), folderOf("a", 1, 1, 0), folderOf("a", 1, 1, 1), folderOf("a", 2, 0, 0)];
    expect(new Set([...ofA, folderOf("b", 1, 0, 0)]).size).toBe(5);
    expect(folderOf("a", 2, 0, 0)).toBe(ofA.at(-1));
  });

  it("is left alone by workers beside it, and by those of other jobs", () => {
    const mine = filled(folderOf("a", 1, 0, 0));
    const others = [folderOf("a", 1, 1, 0), folderOf("a", 1, 1, 1), folderOf("b", 7, 0, 0)];
    for (const other of others) expect(other.startsWith(mine)).toBe(false);
    expect(readdirSync(mine)).toEqual(["000012.sst"]);
    expect(folderOf("a", 1, 0, 0)).toBe(mine);
    expect(readdirSync(mine)).toEqual(["000012.sst"]);
  });

  it("goes with a later attempt of its slot and with a later epoch, and nothing else does", () => {
    const found = join(root, "/tmp/weir-state/lost+found");
    mkdirSync(found, { recursive: true });
    const [first, beside] = [filled(folderOf("a", 1, 0, 0)), filled(folderOf("a", 1, 1, 0))];
    const next = filled(folderOf("a", 1, 0, 1));
    expect([first, beside, next].map((folder) => existsSync(folder))).toEqual([false, true, true]);
    folderOf("a", 2, 0, 0);
    expect([beside, next, found].map((folder) => existsSync(folder))).toEqual([false, false, true]);
  });

  it("is below its place whatever the job's UID is", () => {
    expect(folderOf("../../etc", 1, 0, 0)).toBe(join(root, "/tmp/weir-state/------etc/1-0-0"));
  });
});
