import { link, open, readdir, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { messageOf, WeirError } from "../../../errors.ts";
import type { SinkContext } from "../connector.ts";
import { partsGone } from "../parts/exactly-once.ts";
import { isOrphan, type PartNames } from "../parts/part-name.ts";
import type { OpenPart, PartStore } from "../parts/part-store.ts";

/** A finished file that waits in its folder under a hidden name. */
export const filePart = z.object({
  /** As the job knows it. */
  folder: z.string().max(4096),
  name: z
    .string()
    .max(512)
    .regex(/^part-[^/]+$/),
});
export type FilePart = z.infer<typeof filePart>;

const ENDING = ".ndjson";
/** Hidden: readers of a folder leave such files out. */
const draftOf = (name: string): string => `.${name}.inprogress`;
const DRAFT = /^\.(part-.*)\.ndjson\.inprogress$/;

/**
 * Parts of a folder that become visible by a link to a hidden file: whole, and never in place of another file. A source
 * that is missing while the target is there has been published; with both missing, output is lost.
 */
export function folderParts(folder: string, names: PartNames, ctx: SinkContext): PartStore<FilePart> {
  const own = new Set<string>();
  const at = ctx.resolvePath(folder);

  return {
    open: async (number) => {
      const name = names.name(number) + ENDING;
      const draft = join(at, draftOf(name));
      own.add(name);
      return await attemptTo(folder, async () => {
        // Of a process that has ended; it may be another name of a published file, so it must not be cut back.
        await rm(draft, { force: true });
        return openPart(folder, draft, { file: await open(draft, "ax"), name });
      });
    },
    publish: async (parts) => {
      const gone: string[] = [];
      for (const [where, of] of Map.groupBy(parts, (part) => part.folder)) {
        gone.push(...(await attemptTo(where, () => publishInto(ctx.resolvePath(where), of))));
      }
      if (gone.length > 0) throw partsGone(ctx, gone);
      for (const { name } of parts) own.delete(name);
    },
    removeOrphans: () =>
      attemptTo(folder, async () => {
        for (const file of await readdir(at)) {
          const name = DRAFT.exec(file)?.[1];
          const owner = name === undefined ? undefined : names.owner(name);
          if (owner === undefined || !isOrphan(owner, ctx) || own.has(`${name}${ENDING}`)) continue;
          await rm(join(at, file), { force: true });
        }
      }),
  };
}

function openPart(
  folder: string,
  draft: string,
  { file, name }: { file: FileHandle; name: string },
): OpenPart<FilePart> {
  return {
    write: (bytes) => attemptTo(folder, () => writeAll(file, bytes)),
    seal: () =>
      attemptTo(folder, async () => {
        await file.sync();
        const { nlink } = await file.stat();
        await file.close();
        await syncFolder(dirname(draft));
        if (nlink === 0) throw new Error(`${draft} was removed while it was written`);
        return { folder, name };
      }),
    abandon: async () => {
      await file.close();
      await rm(draft, { force: true });
    },
  };
}

/** Gives the names of those that have gone. */
async function publishInto(at: string, parts: readonly FilePart[]): Promise<string[]> {
  const gone: string[] = [];
  for (const { folder, name } of parts) {
    if (!(await isPublished(join(at, draftOf(name)), join(at, name)))) gone.push(`${folder}/${name}`);
  }
  await syncFolder(at);
  // Only now: until the new names are durable, the old ones are what a restore finds.
  for (const { name } of parts) await rm(join(at, draftOf(name)), { force: true });
  return gone;
}

async function isPublished(draft: string, target: string): Promise<boolean> {
  try {
    await link(draft, target);
    return true;
  } catch (e) {
    const code = codeOf(e);
    if (code === "EEXIST") return await isSame(draft, target);
    if (code !== "ENOENT") throw e;
    return await exists(target);
  }
}

/** Another worker of the new epoch may have published it and removed the draft meanwhile. */
async function isSame(draft: string, target: string): Promise<boolean> {
  const found = await stat(draft).catch(() => undefined);
  if (found === undefined || found.ino === (await stat(target)).ino) return true;
  throw new Error(`${target} is there already, and is another file`);
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (e: unknown) => {
      if (codeOf(e) === "ENOENT") return false;
      throw e;
    },
  );

const codeOf = (e: unknown): string | undefined => (e as NodeJS.ErrnoException).code;

export async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await file.write(bytes, done)).bytesWritten;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function attemptTo<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    if (e instanceof WeirError) throw e;
    throw new WeirError("SINK_UNREACHABLE", `cannot write into ${folder}: ${messageOf(e)}`, { cause: e });
  }
}
