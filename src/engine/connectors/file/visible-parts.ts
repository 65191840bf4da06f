import { open, readdir, truncate, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { attemptTo, writeAll } from "./folder-parts.ts";
import type { FilePart } from "./folder-parts.ts";
import type { PartNames } from "../parts/part-name.ts";
import type { PartStore } from "../parts/part-store.ts";

const ENDING = ".ndjson";

/** Parts of a folder that are visible while they are written: at least once. `at` is the folder as this process knows it. */
export function visibleParts({ folder, at }: { folder: string; at: string }, names: PartNames): PartStore<FilePart> {
  const part = (file: FileHandle, name: string): Awaited<ReturnType<PartStore<FilePart>["open"]>> => ({
    write: (bytes) => attemptTo(folder, () => writeAll(file, bytes)),
    sync: () => attemptTo(folder, () => file.sync()),
    seal: () =>
      attemptTo(folder, async () => {
        await file.sync();
        await file.close();
        return { folder, name };
      }),
    abandon: () => file.close(),
  });
  return {
    open: (number) =>
      attemptTo(folder, async () => {
        const name = names.name(number) + ENDING;
        return part(await open(join(at, name), "ax"), name);
      }),
    publish: () => Promise.resolve(),
    removeOrphans: () => Promise.resolve(),
  };
}

/** Number of the next part. Only parts of this attempt are touched: another attempt's process may still be alive. */
export async function cutTornLines(folder: string, names: PartNames): Promise<number> {
  let next = 0;
  for (const file of await readdir(folder)) {
    const owner = file.endsWith(ENDING) ? names.owner(file.slice(0, -ENDING.length)) : undefined;
    if (owner === undefined || names.name(owner.number) + ENDING !== file) continue;
    next = Math.max(next, owner.number + 1);
    await cutTornLine(join(folder, file));
  }
  return next;
}

async function cutTornLine(path: string): Promise<void> {
  const file = await open(path, "r");
  const { size } = await file.stat();
  const tail = Buffer.alloc(Math.min(size, 1024 * 1024));
  await file.read(tail, 0, tail.length, size - tail.length);
  await file.close();
  const torn = tail.length - (tail.lastIndexOf(10) + 1);
  if (torn > 0) await truncate(path, size - torn);
}
