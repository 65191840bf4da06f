import { open, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

/** What a log request of the API server asks for. */
export interface LogOptions {
  readonly follow: boolean;
  readonly tailLines: number | undefined;
  readonly limitBytes: number | undefined;
  readonly signal: AbortSignal;
}

const CHUNK = 64 * 1024;
const POLL_MS = 200;

/** The content of a container's log file, from the asked line on; with `follow`, what is appended until the signal. */
export async function* readLog(file: string, options: LogOptions): AsyncIterable<Uint8Array> {
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY;
  let at = options.tailLines === undefined ? 0 : await tailStart(file, options.tailLines);
  while (!options.signal.aborted && left > 0) {
    const chunk = await readAt(file, at, Math.min(CHUNK, left));
    at += chunk.length;
    left -= chunk.length;
    if (chunk.length > 0) yield chunk;
    else if (!options.follow) return;
    else await delay(POLL_MS, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

async function readAt(file: string, position: number, length: number): Promise<Uint8Array> {
  const handle = await open(file).catch(() => undefined);
  if (handle === undefined) return new Uint8Array();
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Where the last `lines` lines begin, found by reading backwards. */
async function tailStart(file: string, lines: number): Promise<number> {
  const size = await stat(file).then(
    (s) => s.size,
    () => 0,
  );
  let at = size;
  let missing = lines + 1; // the newline before the first wanted line
  while (at > 0) {
    const length = Math.min(CHUNK, at);
    const chunk = await readAt(file, at - length, length);
    for (let i = chunk.length - 1; i >= 0; i--) {
      const endsFile = at - length + i === size - 1;
      if (chunk[i] === 10 && !endsFile && --missing === 1) return at - length + i + 1;
    }
    at -= length;
  }
  return lines === 0 ? size : 0;
}
