import { mkdir, open, readdir, truncate, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, WeirError } from "../../../errors.ts";
import type { SinkContext, SinkFactory } from "../connector.ts";
import { lineWriter } from "../line-writer.ts";

interface FileSinkConfig {
  /** A folder of the pod. */
  readonly path: string;
}

/**
 * Writes newline-delimited records into part files of its own: `part-<node>-<lineage>-e<epoch>-s<slot>-a<attempt>-<k>`.
 * At least once: every barrier makes the file durable, a restart goes on in a new part, and what an interrupted run
 * wrote after its last checkpoint appears again there. A half-written last line of the same attempt is cut off.
 */
export const fileSink: SinkFactory = {
  open: async (config, ctx) => {
    const folder = ctx.resolvePath((config as FileSinkConfig).path);
    const name = partPrefix(ctx);
    const next = await attemptTo(folder, async () => {
      await mkdir(folder, { recursive: true });
      return await cutTornLines(folder, name);
    });
    let file: FileHandle | undefined;
    const openPart = async (): Promise<FileHandle> =>
      (file ??= await open(join(folder, `${name}${next}.ndjson`), "ax"));
    return lineWriter({
      write: (bytes) => attemptTo(folder, async () => await writeAll(await openPart(), bytes)),
      sync: () => attemptTo(folder, async () => await file?.sync()),
      close: async () => await file?.close(),
    });
  },
};

function partPrefix(ctx: SinkContext): string {
  const lineage = ctx.lineage.replaceAll(/[^A-Za-z0-9]/g, "").slice(-12);
  return `part-${ctx.node}-${lineage}-e${ctx.epoch}-s${ctx.slot}-a${ctx.attempt}-`;
}

async function writeAll(file: FileHandle, bytes: Buffer): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += (await file.write(bytes, done)).bytesWritten;
}

/** Number of the next part. Only parts of this attempt are touched: another attempt's process may still be alive. */
async function cutTornLines(folder: string, prefix: string): Promise<number> {
  const own = (await readdir(folder)).filter((f) => f.startsWith(prefix) && f.endsWith(".ndjson"));
  let next = 0;
  for (const part of own) {
    next = Math.max(next, Number(part.slice(prefix.length, -".ndjson".length)) + 1);
    await cutTornLine(join(folder, part));
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

async function attemptTo<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (e) {
    throw new WeirError("SINK_UNREACHABLE", `cannot write into ${folder}: ${messageOf(e)}`, { cause: e });
  }
}
