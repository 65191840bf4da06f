import { z } from "zod";
import { WeirError } from "../../../errors.ts";
import type { SinkContext, SinkWriter } from "../connector.ts";
import type { PartOwner } from "./part-name.ts";
import type { PartWriter } from "./part-writer.ts";

/**
 * Parts that follow the checkpoint: it remembers which ones wait, and publishing them is its commit. Every checkpoint ends
 * the open part, so that what is published is never written to again, not even by a worker that was replaced: a part that went
 * on over checkpoints would have to be cut back at a restore, below a worker that may still have it open.
 */
export function exactlyOnceParts<P extends { readonly name: string }>(
  writer: PartWriter<P>,
  ctx: SinkContext,
  part: z.ZodType<P>,
): SinkWriter {
  const own: PartOwner = { epoch: ctx.epoch, slot: ctx.slot, attempt: ctx.attempt };
  const number = z.int().min(0);
  const schema = z.object({
    parts: z.array(part).max(1_000_000),
    next: number,
    by: z.object({ epoch: number, slot: number, attempt: number }),
  });
  const read = (handle: unknown): z.infer<typeof schema> => {
    const parsed = schema.safeParse(handle);
    if (parsed.success) return parsed.data;
    const text = JSON.stringify(handle)?.slice(0, 300);
    throw new WeirError("RESTORE_REFUSED", `sink ${ctx.node} cannot read what a checkpoint says of it: ${text}`);
  };
  return {
    ...writer,
    prepare: async () => ({ ...(await writer.cut()), by: own }),
    commit: async (_checkpoint, handle) => {
      await writer.publish(read(handle).parts);
      writer.tidy();
    },
    recover: async (handle, finished) => {
      const { parts, next, by } = read(handle);
      // A process that ended and came back under the same name does not use the name of a part again.
      if (by.epoch === own.epoch && by.slot === own.slot && by.attempt === own.attempt) writer.goOnFrom(next);
      if (!finished) await writer.publish(parts);
    },
  };
}

/** Parts that were sealed, were never published, and are not there any more. */
export function partsGone(ctx: SinkContext, parts: readonly string[]): WeirError {
  return new WeirError(
    "DELIVERY_AT_RISK",
    `sink ${ctx.node}: a checkpoint counts whose output has gone before it was published: ${parts.join(", ")}. ` +
      "Somebody has removed it, or moved it away. Start from a savepoint, or set spec.startFrom.acceptReplay to a new " +
      "value and start the job: then it goes on from an older checkpoint, and output is written again",
  );
}
