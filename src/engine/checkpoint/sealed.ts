import { createHash } from "node:crypto";
import type { z } from "zod";
import { messageOf, WeirError } from "../../errors.ts";

export const sha256 = (bytes: Buffer | string): string => createHash("sha256").update(bytes).digest("hex");

/** A JSON document that carries its own checksum: `{"sha256": …, "body": …}`. */
export function seal(body: unknown): Buffer {
  const text = JSON.stringify(body);
  return Buffer.from(`{"sha256":"${sha256(text)}","body":${text}}\n`);
}

const PREFIX = '{"sha256":"';
const HEX = 64;
const BODY = '","body":';

/** Checks the checksum over the bytes as written, then the shape. Throws CHECKPOINT_CORRUPT with what is wrong where. */
export function unseal<S extends z.ZodType>(bytes: Buffer, schema: S, where: string): z.infer<S> {
  const corrupt = (what: string): WeirError => new WeirError("CHECKPOINT_CORRUPT", `${where} ${what}`);
  const text = bytes.toString("utf8");
  const start = PREFIX.length + HEX + BODY.length;
  const body = text.slice(start, -2);
  const framed = text.startsWith(PREFIX) && text.slice(PREFIX.length + HEX, start) === BODY && text.endsWith("}\n");
  if (!framed) throw corrupt("is cut off or is not what Weir wrote");
  if (sha256(body) !== text.slice(PREFIX.length, PREFIX.length + HEX)) throw corrupt("does not match its checksum");
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (e) {
    throw corrupt(`is not JSON: ${messageOf(e)}`);
  }
  refuseOtherVersion(value, where);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw corrupt(`has a wrong field ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "unknown"}`);
}

function refuseOtherVersion(value: unknown, where: string): void {
  const version: unknown =
    value !== null && typeof value === "object" && "version" in value ? value.version : undefined;
  if (version === 1) return;
  const shown = JSON.stringify(version) ?? "none";
  throw new WeirError(
    "RESTORE_REFUSED",
    `${where} has version ${shown}; this worker reads version 1. Run the Weir that wrote it or a newer one`,
  );
}
