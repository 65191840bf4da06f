import { messageOf } from "../../../errors.ts";
import type { Batch } from "../../batch.ts";
import type { AssignedSplit, Position, SourceContext, SourceFactory, SourceReader } from "../connector.ts";
import { gzipReader, plainReader } from "./line-reader.ts";
import { listInput } from "./listing.ts";
import { fileSplitReader, type FilePosition, type FileSplitReader } from "./split-reader.ts";

interface FileSourceConfig {
  /** A file, a folder, or a glob in the last part, in the pod. */
  readonly path: string;
  readonly compression?: "None" | "Gzip";
  readonly follow?: boolean;
}

/** How often a followed file is looked at for more. */
const FOLLOW_MS = 200;

/**
 * Reads newline-delimited records; one split is one file, named by its file name. Without `follow` it ends at the end
 * of the last file. Files that appear after the start are read by the next epoch.
 */
export const fileSource: SourceFactory = {
  splits: async (config, ctx) => {
    const { path } = config as FileSourceConfig;
    const files = await listInput(ctx.resolvePath(path), path);
    return files.map(({ name }, index) => ({ id: name, index }));
  },
  open: async (config, assigned, ctx) => {
    const source = config as FileSourceConfig;
    const files = new Map((await listInput(ctx.resolvePath(source.path), source.path)).map((f) => [f.name, f.path]));
    const readers = assigned.map((a) => openSplit(source, a, files.get(a.split.id) ?? a.split.id, ctx));
    return sequentialReader(readers, source.follow === true, ctx);
  },
};

function openSplit(
  source: FileSourceConfig,
  { split, position }: AssignedSplit,
  path: string,
  ctx: SourceContext,
): FileSplitReader {
  const gzip = source.compression === "Gzip" || path.endsWith(".gz");
  const { offset = 0, line = 0, read } = (position ?? {}) as Partial<FilePosition>;
  return fileSplitReader({
    split,
    from: { offset, line, ...(read && { read }) },
    replaced: (message) => ctx.lost(0, message),
    follow: source.follow === true && !gzip,
    open: (offset) => (gzip ? gzipReader(path, offset) : plainReader(path, offset)),
  });
}

/** One file after the other; followed files take turns. A read that failed is thrown by the next poll. */
function sequentialReader(readers: readonly FileSplitReader[], follow: boolean, ctx: SourceContext): SourceReader {
  let wake = (): void => {};
  let current = 0;
  let filling: Promise<void> | undefined;
  let failure: Error | undefined;
  let timer: NodeJS.Timeout | undefined;
  const idle = new Set<number>();

  const fill = (reader: FileSplitReader): void => {
    filling = reader
      .fill()
      .then(
        (more) => {
          if (more) idle.delete(reader.split.index);
          else if (follow) pauseAt(reader);
          wakeLater(more || !follow || readers.some((r) => !r.done && !idle.has(r.split.index)));
        },
        (e: unknown) => {
          failure = e instanceof Error ? e : new Error(messageOf(e));
          wake();
        },
      )
      .finally(() => {
        filling = undefined;
      });
  };
  const pauseAt = (reader: FileSplitReader): void => {
    idle.add(reader.split.index);
    current = (current + 1) % readers.length;
  };
  /** Whose turn it is; packed files are done at their end, also between others that are followed. */
  const unread = (): FileSplitReader | undefined => {
    for (let tried = 0; tried < readers.length; tried++) {
      const reader = readers[current];
      if (reader?.done === false) return reader;
      current = (current + 1) % readers.length;
    }
    return undefined;
  };
  const wakeLater = (now: boolean): void => {
    timer = setTimeout(() => wake(), now ? 0 : FOLLOW_MS);
  };

  return {
    poll: (): Batch | undefined => {
      if (failure !== undefined) throw failure;
      if (filling !== undefined) return undefined;
      for (;;) {
        const reader = unread();
        if (reader === undefined) return undefined;
        const batch = reader.poll(ctx.clock.now());
        if (batch !== undefined) return batch;
        if (reader.done) continue;
        fill(reader);
        return undefined;
      }
    },
    onReady: (fn) => {
      wake = fn;
    },
    positions: () => new Map<string, Position>(readers.map((r) => [r.split.id, { ...r.position() }])),
    finished: () => !follow && readers.every((r) => r.done),
    lag: () => (readers.every((r) => r.done) ? { records: 0 } : undefined),
    idleSplits: () => [...idle],
    finishedSplits: () => readers.filter((r) => r.done).map((r) => r.split.index),
    close: async () => {
      clearTimeout(timer);
      await filling;
      await Promise.all(readers.map((r) => r.close()));
    },
  };
}
