import type { S3Client } from "./client.ts";
import type { Upload } from "./upload.ts";

/** Keys, and with a delimiter what is common to those below it; a page at a time. */
export async function* listed(client: S3Client, of: { prefix: string; delimiter?: string }): AsyncGenerator<string> {
  let after: string | undefined;
  do {
    const token = after === undefined ? {} : { "continuation-token": after };
    const query = { "list-type": "2", ...of, ...token };
    const text = (await client({ method: "GET", key: "", query })).body.toString("utf8");
    for (const [, key = ""] of text.matchAll(/<Contents>[^]*?<Key>([^<]*)<\/Key>[^]*?<\/Contents>/g))
      yield unescaped(key);
    for (const [, key = ""] of text.matchAll(/<CommonPrefixes>\s*<Prefix>([^<]*)<\/Prefix>/g)) yield unescaped(key);
    after = /<NextContinuationToken>([^<]+)<\/NextContinuationToken>/.exec(text)?.[1];
    if (after !== undefined) after = unescaped(after);
  } while (after !== undefined);
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const unescaped = (text: string): string =>
  text.replaceAll(
    /&(?:#(x?)([0-9A-Fa-f]{1,6})|(amp|lt|gt|quot|apos));/g,
    (_, hex: string, digits: string, name: string) =>
      digits === undefined
        ? (ENTITIES[name] ?? "")
        : String.fromCodePoint(Number.parseInt(digits, hex === "x" ? 16 : 10)),
  );

/** Uploads below a prefix that were begun and neither completed nor aborted; a page at a time. */
export async function* openUploads(client: S3Client, prefix: string): AsyncGenerator<Upload> {
  let marker: Readonly<Record<string, string>> | undefined = {};
  while (marker !== undefined) {
    const query: Readonly<Record<string, string>> = { uploads: "", prefix, ...marker };
    const text: string = (await client({ method: "GET", key: "", query })).body.toString("utf8");
    for (const [upload] of text.matchAll(/<Upload>[^]*?<\/Upload>/g)) {
      yield { key: field(upload, "Key") ?? "", uploadId: field(upload, "UploadId") ?? "" };
    }
    marker = field(text, "IsTruncated") === "true" ? nextPage(text) : undefined;
  }
}

function nextPage(text: string): Readonly<Record<string, string>> | undefined {
  const [key, id] = [field(text, "NextKeyMarker"), field(text, "NextUploadIdMarker")];
  return key === undefined || id === undefined ? undefined : { "key-marker": key, "upload-id-marker": id };
}

function field(text: string, name: string): string | undefined {
  const found = new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1];
  return found === undefined ? undefined : unescaped(found);
}
