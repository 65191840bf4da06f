import { WeirError } from "../../errors.ts";
import type { SegmentWriter } from "../checkpoint/storage.ts";
import type { S3Client } from "./client.ts";
import { abortUpload, beginUpload, completeUpload, isWhole, PART_BYTES, putPart, type Upload } from "./upload.ts";

/** One object: in one piece where it is small, else as an upload of parts. It is there as a whole when `close` resolved. */
export function s3Writer(client: S3Client, key: string): SegmentWriter {
  const etags: string[] = [];
  let upload: Upload | undefined;
  let gathered: Buffer[] = [];
  let size = 0;
  let total = 0;

  const take = (): Buffer => {
    const body = Buffer.concat(gathered);
    gathered = [];
    size = 0;
    return body;
  };
  const put = async (): Promise<void> => {
    upload ??= await beginUpload(client, key);
    const etag = await putPart(client, upload, { number: etags.length + 1, body: take() });
    if (etag === undefined) throw ended(key);
    etags.push(etag);
  };
  return {
    write: async (bytes) => {
      gathered.push(Buffer.from(bytes));
      size += bytes.length;
      total += bytes.length;
      if (size >= PART_BYTES) await put();
    },
    close: async () => {
      if (upload === undefined) {
        await client({ method: "PUT", key, body: take() });
        return;
      }
      if (size > 0) await put();
      const { status, tries } = await completeUpload(client, upload, etags);
      // It was ended by an own first try whose answer was lost, or by somebody else.
      if (status === 404 && !(tries > 1 && (await isWhole(client, key, total)))) throw ended(key);
    },
    abandon: async () => {
      take();
      // What cannot be ended now is ended by the bucket's lifecycle rule, if it has one.
      if (upload !== undefined) await abortUpload(client, upload).catch(() => undefined);
    },
  };
}

function ended(key: string): WeirError {
  const text = `the upload of ${key} was ended by somebody else; it is written anew with the next checkpoint`;
  return new WeirError("CHECKPOINT_UNWRITABLE", text);
}
