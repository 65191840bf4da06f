import { randomUUID } from "node:crypto";
import { link, mkdir, open, readdir, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { messageOf, WeirError } from "../../errors.ts";
import type { SegmentWriter, Storage } from "./storage.ts";

/** Pieces are gathered up to this size before they go to the disk. */
const WRITE_BYTES = 1024 * 1024;
const FIRST_BYTES = 16 * 1024;

/** Objects as files of a folder. `create` is a link to a synced temporary file: whole and exclusive on every file system. */
export function fileStorage(uri: string, root: string): Storage {
  return {
    uri,
    durable: true,
    read: (path, range) => absentAsUndefined(uri, () => readRange(join(root, path), range)),
    writer: (path) => writing(uri, () => segmentWriter(uri, join(root, path))),
    create: (path, bytes) =>
      writing(uri, async () => {
        const target = join(root, path);
        const draft = `${target}.${randomUUID()}.tmp`;
        await makeFolder(dirname(target));
        try {
          await writeSynced(draft, bytes);
          return await linkExclusively(draft, target);
        } finally {
          // On a full disk, too: what is tried again and again must not fill it further.
          await rm(draft, { force: true });
          await syncFolder(dirname(target));
        }
      }),
    list: async (folder) => (await absentAsUndefined(uri, () => readdir(join(root, folder)))) ?? [],
    remove: (path) => writing(uri, () => rm(join(root, path), { recursive: true, force: true })),
  };
}

async function segmentWriter(uri: string, path: string): Promise<SegmentWriter> {
  await makeFolder(dirname(path));
  const file = await open(path, "w");
  let gathered: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  let size = 0;
  const roomFor = (bytes: number): void => {
    const needed = Math.min(WRITE_BYTES, size + bytes);
    if (needed <= gathered.length) return;
    const bigger = Buffer.allocUnsafeSlow(Math.min(WRITE_BYTES, Math.max(needed, gathered.length * 2)));
    gathered.copy(bigger, 0, 0, size);
    gathered = bigger;
  };
  const put = async (): Promise<void> => {
    await writeAll(file, gathered.subarray(0, size));
    size = 0;
  };
  return {
    write: (bytes) =>
      writing(uri, async () => {
        for (let done = 0; done < bytes.length;) {
          roomFor(bytes.length - done);
          const taken = bytes.copy(gathered, size, done);
          done += taken;
          size += taken;
          if (size === WRITE_BYTES) await put();
        }
      }),
    close: () =>
      writing(uri, async () => {
        if (size > 0) await put();
        await file.sync();
        await file.close();
      }),
    abandon: () => file.close(),
  };
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await file.write(bytes, done)).bytesWritten;
}

async function writeSynced(path: string, bytes: Buffer): Promise<void> {
  const file = await open(path, "w");
  try {
    await writeAll(file, bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function linkExclusively(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw e;
  }
}

/** Makes a folder and every missing parent durable: a synced file in an unsynced folder is not there after a power cut. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true }).catch((e: unknown) => sayWhy(folder, e));
  if (first === undefined) return;
  for (let at = folder; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at));
}

/** Of a file system that is mounted to be read only, Node says of a folder with its parents that it does not exist. */
async function sayWhy(folder: string, e: unknown): Promise<never> {
  let parent = folder;
  while (dirname(parent) !== parent && (await isMissing(dirname(parent)))) parent = dirname(parent);
  await mkdir(parent);
  throw e;
}

const isMissing = (path: string): Promise<boolean> =>
  stat(path).then(
    () => false,
    () => true,
  );

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readRange(path: string, range: { offset: number; length: number } | undefined): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    if (range === undefined) return await file.readFile();
    // What is asked for may come from a damaged manifest: no more memory than there are bytes.
    const { size } = await file.stat();
    const length = Math.max(0, Math.min(range.length, size - range.offset));
    const bytes = Buffer.allocUnsafe(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await file.read(bytes, done, length - done, range.offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}

async function absentAsUndefined<T>(uri: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (e) {
    const code = (e as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new WeirError("CHECKPOINT_UNWRITABLE", `cannot read below ${uri}: ${messageOf(e)}`, { cause: e });
  }
}

async function writing<T>(uri: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    const hint = "check that the volume is mounted, has space, and lets the worker's user write";
    throw new WeirError("CHECKPOINT_UNWRITABLE", `cannot write below ${uri}: ${messageOf(e)}; ${hint}`, { cause: e });
  }
}
