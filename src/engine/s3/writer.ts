import { WeirError } from "../../errors.ts";
import type { S3Answer } from "./call.ts";
import type { S3Client } from "./client.ts";
import type { SegmentWriter } from "../checkpoint/storage.ts";

/** A part of an upload; the smallest that S3 takes is 5 MiB. */
const PART_BYTES = 8 * 1024 * 1024;

/** One object: in one piece where it is small, else as an upload of parts. It is there as a whole when `close` resolved. */
export function s3Writer(client: S3Client, key: string): SegmentWriter {
  const etags: string[] = [];
  let upload: string | undefined;
  let gathered: Buffer[] = [];
  let size = 0;
  let total = 0;

  const take = (): Buffer => {
    const body = Buffer.concat(gathered);
    gathered = [];
    size = 0;
    return body;
  };
  const putPart = async (): Promise<void> => {
    upload ??= await begin(client, key);
    const query = { partNumber: String(etags.length + 1), uploadId: upload };
    const { headers } = await client({ method: "PUT", key, query, body: take() });
    etags.push(headers.get("etag") ?? "");
  };
  return {
    write: async (bytes) => {
      gathered.push(Buffer.from(bytes));
      size += bytes.length;
      total += bytes.length;
      if (size >= PART_BYTES) await putPart();
    },
    close: async () => {
      if (upload === undefined) {
        await client({ method: "PUT", key, body: take() });
        return;
      }
      if (size > 0) await putPart();
      const parts = etags.map(
        (etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
      );
      const body = Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
      const done = await client({ method: "POST", key, query: { uploadId: upload }, body, expected: [404] });
      if (done.status === 404) await requireWhole(client, key, { done, total });
    },
    abandon: async () => {
      take();
      // What cannot be ended now is ended by the bucket's lifecycle rule, if it has one.
      if (upload !== undefined) {
        await client({ method: "DELETE", key, query: { uploadId: upload }, expected: [404] }).catch(() => undefined);
      }
    },
  };
}

async function begin(client: S3Client, key: string): Promise<string> {
  const { body } = await client({ method: "POST", key, query: { uploads: "" } });
  return /<UploadId>([^<]+)<\/UploadId>/.exec(body.toString("utf8"))?.[1] ?? "";
}

/** An upload that is not there was ended: by an own first try whose answer was lost, or by somebody else. */
async function requireWhole(client: S3Client, key: string, of: { done: S3Answer; total: number }): Promise<void> {
  const { headers } = await client({ method: "GET", key, headers: { range: "bytes=0-0" }, expected: [404] });
  if (of.done.tries > 1 && headers.get("content-range")?.endsWith(`/${of.total}`) === true) return;
  const text = `the upload of ${key} was ended by somebody else; it is written anew with the next checkpoint`;
  throw new WeirError("CHECKPOINT_UNWRITABLE", text);
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
