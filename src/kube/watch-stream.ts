import type { StatusBody } from "./kube-error.ts";
import { KubeError } from "./kube-error.ts";
import type { KubeObject } from "./resource.ts";

/** One line of a watch. A bookmark carries only a resourceVersion. An ERROR line is thrown as a KubeError instead. */
export type WatchEvent<T> =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
  | { readonly type: "BOOKMARK"; readonly object: { readonly metadata: { readonly resourceVersion: string } } };

/** A Kubernetes object is at most 1.5 MiB in etcd; a longer line is not a watch event. */
const MAX_LINE = 16 * 1024 * 1024;
const NEWLINE = 10;

/** Splits a byte stream at newlines; a last line without one is cut off in the middle and dropped. */
export async function* lines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let held = 0;
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString("utf8");
      parts = [];
      held = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    held += chunk.length - start;
    if (held > MAX_LINE) throw new KubeError("watch", 0, { message: `a line is longer than ${MAX_LINE} bytes` });
    parts.push(chunk.subarray(start));
  }
}

interface RawEvent {
  type?: string;
  object?: unknown;
}

export async function* decodeWatch<T extends KubeObject>(
  bytes: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<WatchEvent<T>> {
  for await (const line of lines(bytes)) {
    if (line === "") continue;
    const event = parse(line, what);
    if (event.type === "ERROR") throw errorOf(event.object, what);
    yield event as WatchEvent<T>;
  }
}

function parse(line: string, what: string): RawEvent {
  try {
    const event = JSON.parse(line) as RawEvent | null;
    if (typeof event?.type === "string" && typeof event.object === "object" && event.object !== null) return event;
  } catch (cause) {
    throw new KubeError(what, 0, { message: "a line of the watch is not JSON" }, { cause });
  }
  throw new KubeError(what, 0, { message: "a line of the watch is not a watch event" });
}

function errorOf(object: unknown, what: string): KubeError {
  const status = object as StatusBody;
  return new KubeError(what, status.code ?? 500, status);
}
