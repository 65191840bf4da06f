import { listed } from "../../s3/listing.ts";
import type { SinkFactory } from "../connector.ts";
import { exactlyOnceParts } from "../parts/exactly-once.ts";
import { partNames, type PartNames } from "../parts/part-name.ts";
import { partWriter, type Rolling } from "../parts/part-writer.ts";
import { openBucket, type Bucket, type BucketConfig } from "./bucket.ts";
import { ENDING, uploadedPart, uploadedParts } from "./uploaded-parts.ts";

interface S3SinkConfig extends BucketConfig, Rolling {
  /** A folder of the bucket. */
  readonly prefix: string;
}

/**
 * Writes newline-delimited records into objects, each an upload of parts. At least once every barrier completes the open
 * object; exactly once it is completed when its checkpoint is committed.
 */
export const s3Sink: SinkFactory = {
  open: async (config, context) => {
    const sink = config as S3SinkConfig;
    const closing = new AbortController();
    const ctx = { ...context, signal: AbortSignal.any([context.signal, closing.signal]) };
    const place = { bucket: openBucket(sink, ctx), prefix: folderOf(sink.prefix), names: partNames(ctx) };
    const exactlyOnce = ctx.delivery === "ExactlyOnce";
    const first = exactlyOnce ? 0 : await firstFree(place);
    const writer = partWriter({ store: uploadedParts(place, ctx), rolling: sink, ctx, first });
    const sinkWriter = exactlyOnce ? exactlyOnceParts(writer, ctx, uploadedPart) : writer;
    return {
      ...sinkWriter,
      close: async () => {
        closing.abort();
        await sinkWriter.close();
      },
    };
  },
};

function folderOf(prefix: string): string {
  const bare = prefix.replaceAll(/^\/+|\/+$/g, "");
  return bare === "" ? "" : `${bare}/`;
}

/** A process that came back under the same name writes over none of its objects. */
async function firstFree({ bucket, prefix, names }: { bucket: Bucket; prefix: string; names: PartNames }) {
  return await bucket.use(async (client) => {
    let next = 0;
    const own = prefix + names.own;
    for await (const key of listed(client, { prefix: own })) {
      if (key.endsWith(ENDING)) next = Math.max(next, Number(key.slice(own.length, -ENDING.length)) + 1);
    }
    return next;
  });
}
