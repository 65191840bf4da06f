import { messageOf } from "../../errors.ts";
import { read } from "../../expression/runtime/access.ts";
import type { OutRecord } from "../connectors/connector.ts";
import { NO_VALUE, shownMessage, shownRecord } from "../record-fields.ts";
import { keyProblem } from "../windows/argument.ts";
import { keyText } from "../windows/key.ts";
import type { Flowing } from "./operators.ts";

export type Expression = (event: unknown) => unknown;

export function requireBool(value: unknown): boolean {
  if (typeof value !== "boolean") throw new TypeError("a condition must be true or false");
  return value;
}

export function requireList(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError("flatMap must give a list");
  return value;
}

export const changed = (event: Flowing, value: unknown): Flowing => ({ ...event, value, raw: undefined });

export function only(value: unknown, paths: readonly (readonly string[])[]): object {
  const kept = {};
  for (const path of paths) {
    const field = read(value, path, 0);
    if (field !== undefined) place(kept, path, field);
  }
  return kept;
}

export function shown(event: Flowing, message: Expression | undefined): string {
  if (message === undefined) {
    const bytes = bytesOf(event);
    return bytes === undefined ? NO_VALUE : shownRecord(bytes, 0, bytes.length);
  }
  try {
    return shownMessage(message(event.value));
  } catch (e) {
    return shownMessage(`peek's message failed: ${messageOf(e)}`);
  }
}

export function requireKey(value: unknown): string {
  const text = keyText(value);
  if (text === undefined) throw new TypeError(keyProblem(value));
  return text;
}

export function place(target: object, path: readonly string[], value: unknown): void {
  let at: object = target;
  for (const name of path.slice(0, -1)) {
    if (!Object.hasOwn(at, name)) define(at, name, {});
    at = (at as Record<string, object>)[name] as object;
  }
  define(at, path.at(-1) as string, value);
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

export function outRecord(event: Flowing, key: string | undefined): OutRecord {
  const value = bytesOf(event);
  const keyBytes = key === undefined ? undefined : Buffer.from(key);
  return {
    value: value ?? Buffer.alloc(0),
    start: 0,
    end: value?.length ?? -1,
    key: keyBytes,
    keyStart: 0,
    keyEnd: keyBytes?.length ?? -1,
    ts: event.ts,
  };
}

const bytesOf = ({ raw, value }: Flowing): Buffer | undefined =>
  raw ?? (value === undefined ? undefined : Buffer.from(JSON.stringify(value)));
