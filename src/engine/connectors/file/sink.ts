import { mkdir } from "node:fs/promises";
import type { SinkFactory } from "../connector.ts";
import { exactlyOnceParts } from "../parts/exactly-once.ts";
import { partNames } from "../parts/part-name.ts";
import { partWriter, type Rolling } from "../parts/part-writer.ts";
import { attemptTo, filePart, folderParts } from "./folder-parts.ts";
import { cutTornLines, visibleParts } from "./visible-parts.ts";

interface FileSinkConfig extends Rolling {
  /** A folder of the pod. */
  readonly path: string;
}

/**
 * Writes newline-delimited records into part files of its own. At least once: every barrier makes the file durable, a
 * restart goes on in a new part, and what an interrupted run wrote after its last checkpoint appears again there; a
 * half-written last line of the same attempt is cut off. Exactly once: a part is hidden until its checkpoint is committed.
 */
export const fileSink: SinkFactory = {
  open: async (config, ctx) => {
    const { path: folder, ...rolling } = config as FileSinkConfig;
    const at = ctx.resolvePath(folder);
    const names = partNames(ctx);
    await attemptTo(folder, () => mkdir(at, { recursive: true }));
    if (ctx.delivery === "ExactlyOnce") {
      const store = folderParts(folder, names, ctx);
      return exactlyOnceParts(partWriter({ store, rolling, ctx, first: 0 }), ctx, filePart);
    }
    const first = await attemptTo(folder, () => cutTornLines(at, names));
    return partWriter({ store: visibleParts({ folder, at }, names), rolling, ctx, first });
  },
};
