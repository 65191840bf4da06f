import { WeirError } from "../../errors.ts";
import type { ObjectStore } from "../s3/call.ts";
import { s3Client, type S3Client } from "../s3/client.ts";
import { listed } from "../s3/listing.ts";
import { s3Writer } from "../s3/writer.ts";
import type { Storage } from "./storage.ts";

/** Removed at the same time. */
const TOGETHER = 16;

/** Objects of a bucket below a prefix. `create` is a conditional write: the store decides who was first. */
export function s3Storage(uri: string, store: ObjectStore): Storage {
  const { bucket, prefix } = placeOf(uri);
  const client = s3Client(bucket, store);
  const keyOf = (path: string): string => prefix + path;
  const create = creator(client);
  return {
    uri,
    durable: true,
    read: async (path, range) => {
      if (range === undefined) return bodyOf(await client({ method: "GET", key: keyOf(path), expected: [404] }));
      // A range of nothing cannot be written in the header; the object is asked for all the same.
      const last = range.offset + Math.max(1, range.length) - 1;
      const headers = { range: `bytes=${range.offset}-${last}` };
      const answer = await client({ method: "GET", key: keyOf(path), headers, expected: [404, 416] });
      if (answer.status === 416) return Buffer.alloc(0);
      return bodyOf(answer)?.subarray(0, range.length);
    },
    writer: (path) => Promise.resolve(s3Writer(client, keyOf(path))),
    create: (path, bytes) => create(keyOf(path), bytes),
    list: async (folder) => {
      const below = keyOf(folder === "" ? "" : `${folder}/`);
      const names: string[] = [];
      for await (const key of listed(client, { prefix: below, delimiter: "/" })) {
        const name = key.slice(below.length).replace(/\/$/, "");
        if (name !== "") names.push(name);
      }
      return names;
    },
    remove: async (path) => {
      const keys: string[] = [];
      for await (const key of listed(client, { prefix: keyOf(`${path}/`) })) keys.push(key);
      keys.push(keyOf(path));
      for (let i = 0; i < keys.length; i += TOGETHER) {
        await Promise.all(keys.slice(i, i + TOGETHER).map((key) => client({ method: "DELETE", key, expected: [404] })));
      }
    },
  };
}

function placeOf(uri: string): { bucket: string; prefix: string } {
  const [, bucket = "", path = ""] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri) ?? [];
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/.test(bucket)) {
    throw new WeirError("SPEC_INVALID", `${uri}: "${bucket}" cannot be the name of a bucket`);
  }
  const odd = path.split("/").find((part) => part === "." || part === "..");
  if (odd !== undefined) throw new WeirError("SPEC_INVALID", `${uri}: "${odd}" cannot be part of a key`);
  return { bucket, prefix: path === "" ? "" : `${path}/` };
}

const bodyOf = ({ status, body }: { status: number; body: Buffer }): Buffer | undefined =>
  status === 404 ? undefined : body;

/**
 * A store that does not know the condition overwrites and says nothing: two workers could then both believe that they
 * wrote a checkpoint. So the first object that is made is made twice, and the second time must be refused.
 */
function creator(client: S3Client): (key: string, bytes: Buffer) => Promise<boolean> {
  let proven = false;
  const put = (key: string, body: Buffer) =>
    client({ method: "PUT", key, body, headers: { "if-none-match": "*" }, expected: [412] });
  return async (key, bytes) => {
    const { status, tries } = await put(key, bytes);
    if (status === 412) {
      proven = true;
      // The refusal may be about an own first try whose answer was lost.
      return tries > 1 && (await client({ method: "GET", key, expected: [404] })).body.equals(bytes);
    }
    if (!proven && (await put(key, bytes)).status !== 412) {
      const text = `PUT ${key} was accepted twice: the store does not know conditional writes (If-None-Match), without which two workers could overwrite each other's checkpoints; use another store`;
      throw new WeirError("CHECKPOINT_UNWRITABLE", text);
    }
    proven = true;
    return true;
  };
}
