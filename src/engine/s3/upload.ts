import type { S3Answer } from "./call.ts";
import type { S3Client } from "./client.ts";

/** A part of an upload; the smallest that S3 takes, but for the last one, is 5 MiB. */
export const PART_BYTES = 8 * 1024 * 1024;

/** An object that is uploaded in parts, and is not there before it is completed. */
export interface Upload {
  readonly key: string;
  readonly uploadId: string;
}

export async function beginUpload(client: S3Client, key: string): Promise<Upload> {
  const { body } = await client({ method: "POST", key, query: { uploads: "" } });
  return { key, uploadId: /<UploadId>([^<]+)<\/UploadId>/.exec(body.toString("utf8"))?.[1] ?? "" };
}

/** Gives what completing needs to name the part; `undefined` where the upload is not there any more. */
export async function putPart(
  client: S3Client,
  { key, uploadId }: Upload,
  { number, body }: { number: number; body: Buffer },
): Promise<string | undefined> {
  const query = { partNumber: String(number), uploadId };
  const { status, headers } = await client({ method: "PUT", key, query, body, expected: [404] });
  return status === 404 ? undefined : (headers.get("etag") ?? "");
}

/** An answer of 404 says that the upload is not there: it was completed or aborted before. */
export async function completeUpload(
  client: S3Client,
  { key, uploadId }: Upload,
  etags: readonly string[],
): Promise<S3Answer> {
  const parts = etags.map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`);
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
  return await client({ method: "POST", key, query: { uploadId }, body, expected: [404] });
}

export async function abortUpload(client: S3Client, { key, uploadId }: Upload): Promise<void> {
  await client({ method: "DELETE", key, query: { uploadId }, expected: [404] });
}

/** Whether there is an object of so many bytes. */
export async function isWhole(client: S3Client, key: string, size: number): Promise<boolean> {
  const { headers } = await client({ method: "GET", key, headers: { range: "bytes=0-0" }, expected: [404, 416] });
  return headers.get("content-range")?.endsWith(`/${size}`) === true;
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
