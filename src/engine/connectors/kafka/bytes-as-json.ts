import { isUtf8 } from "node:buffer";

/** How pipelines see bytes of a key or a header: UTF-8 as text, others, which no text can hold, as `{base64}`. */
export function jsonOfBytes(bytes: Buffer | null): string {
  if (bytes === null) return "null";
  return isUtf8(bytes) ? JSON.stringify(bytes.toString()) : `{"base64":"${bytes.toString("base64")}"}`;
}

/** The way back: any other value is written as its JSON. */
export function bytesOfValue(value: unknown): Buffer | null {
  if (value === null) return null;
  if (typeof value === "string") return Buffer.from(value);
  return isPacked(value) ? Buffer.from(value.base64, "base64") : Buffer.from(JSON.stringify(value));
}

function isPacked(value: unknown): value is { readonly base64: string } {
  if (typeof value !== "object" || value === null) return false;
  const [only, ...others] = Object.entries(value) as [string, unknown][];
  return others.length === 0 && only?.[0] === "base64" && typeof only[1] === "string";
}
