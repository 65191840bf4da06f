import { z } from "zod";
import { WeirError } from "../../../errors.ts";
import { openUploads } from "../../s3/listing.ts";
import {
  abortUpload,
  beginUpload,
  completeUpload,
  isWhole,
  PART_BYTES,
  putPart,
  type Upload,
} from "../../s3/upload.ts";
import type { SinkContext } from "../connector.ts";
import { backOff, pause } from "../until-reached.ts";
import { partsGone } from "../parts/exactly-once.ts";
import { isOrphan, type PartNames } from "../parts/part-name.ts";
import type { OpenPart, PartStore } from "../parts/part-store.ts";
import type { Bucket } from "./bucket.ts";

/** An upload whose parts are all there, and which makes an object when it is completed. */
export const uploadedPart = z.object({
  bucket: z.string().max(63),
  /** The object's key. */
  name: z.string().max(2048),
  uploadId: z.string().max(4096),
  etags: z.array(z.string().max(256)).max(10_000),
  size: z.int().min(0),
});
export type UploadedPart = z.infer<typeof uploadedPart>;

export interface PartPlace {
  readonly bucket: Bucket;
  /** Empty, or with a slash at its end. */
  readonly prefix: string;
  readonly names: PartNames;
}

export const ENDING = ".ndjson";
/** Before output is called lost: some six seconds. */
const LOOKS = 6;

/**
 * Parts that become objects when their upload is completed. An upload that is missing while its object is there has been
 * completed; with both missing, output is lost.
 */
export function uploadedParts({ bucket, prefix, names }: PartPlace, ctx: SinkContext): PartStore<UploadedPart> {
  const own = new Set<string>();
  const completed = (part: UploadedPart): Promise<boolean> =>
    bucket.of(part.bucket).use(async (client) => {
      const { status } = await completeUpload(client, { key: part.name, uploadId: part.uploadId }, part.etags);
      return status !== 404 || (await isWhole(client, part.name, part.size));
    });
  const publish = async (part: UploadedPart): Promise<boolean> => {
    let done = await completed(part);
    // What another worker is just completing may be neither an upload nor an object for a moment.
    for (let tries = 1; !done && tries <= LOOKS; tries++) {
      await pause(backOff(tries), ctx.signal);
      done = await completed(part);
    }
    own.delete(part.uploadId);
    return done;
  };
  return {
    open: async (number) => {
      const upload = await bucket.use((client) => beginUpload(client, `${prefix}${names.name(number)}${ENDING}`));
      own.add(upload.uploadId);
      return uploadingPart(bucket, upload);
    },
    publish: async (parts) => {
      const gone: string[] = [];
      for (const part of parts) if (!(await publish(part))) gone.push(`s3://${part.bucket}/${part.name}`);
      if (gone.length > 0) throw ctx.delivery === "ExactlyOnce" ? partsGone(ctx, gone) : uploadLost(gone.join(", "));
    },
    removeOrphans: () =>
      bucket.use(async (client) => {
        for await (const upload of openUploads(client, `${prefix}${names.common}`)) {
          const owner = names.owner(upload.key.slice(prefix.length, -ENDING.length));
          if (owner === undefined || !isOrphan(owner, ctx) || own.has(upload.uploadId)) continue;
          await abortUpload(client, upload);
        }
      }),
  };
}

/** Gathers what is written up to the size of a part. */
function uploadingPart(bucket: Bucket, upload: Upload): OpenPart<UploadedPart> {
  const etags: string[] = [];
  let gathered: Buffer[] = [];
  let held = 0;
  let size = 0;
  const put = async (): Promise<void> => {
    const body = Buffer.concat(gathered);
    [gathered, held] = [[], 0];
    const etag = await bucket.use((client) => putPart(client, upload, { number: etags.length + 1, body }));
    if (etag === undefined) throw uploadLost(`s3://${bucket.name}/${upload.key}`);
    etags.push(etag);
    size += body.length;
  };
  return {
    write: async (bytes) => {
      gathered.push(bytes);
      held += bytes.length;
      if (held >= PART_BYTES) await put();
    },
    seal: async () => {
      if (held > 0) await put();
      return { bucket: bucket.name, name: upload.key, uploadId: upload.uploadId, etags, size };
    },
    // Whoever follows this worker aborts it.
    abandon: () => Promise.resolve(),
  };
}

function uploadLost(objects: string): WeirError {
  return new WeirError(
    "TRANSACTION_LOST",
    `the upload of ${objects} was ended: another worker took over, or a lifecycle rule of the bucket aborts ` +
      "uploads sooner than parts end. Its records do not count; they are written again from the last checkpoint",
  );
}
