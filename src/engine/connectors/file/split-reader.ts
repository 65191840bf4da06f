import { isWeirError, messageOf, WeirError } from "../../../errors.ts";
import { MAX_BATCH_RECORDS, type Batch } from "../../batch.ts";
import type { Split } from "../connector.ts";
import type { ByteReader } from "./line-reader.ts";

const MAX_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 10;
const RETURN = 13;

export interface SplitReaderOptions {
  readonly split: Split;
  /** Offset of the first unread byte and number of lines before it. */
  readonly from: { readonly offset: number; readonly line: number };
  readonly follow: boolean;
  readonly open: (offset: number) => ByteReader | Promise<ByteReader>;
}

/** Cuts one file into batches of lines. `fill` reads ahead; `poll` only cuts what is there. */
export interface FileSplitReader {
  readonly split: Split;
  poll(now: number): Batch | undefined;
  /** Reads the next bytes; resolves to false when there was nothing new. */
  fill(): Promise<boolean>;
  position(): { offset: number; line: number };
  readonly done: boolean;
  close(): Promise<void>;
}

export function fileSplitReader({ split, from, follow, open }: SplitReaderOptions): FileSplitReader {
  const off = new Int32Array(MAX_BATCH_RECORDS);
  const len = new Int32Array(MAX_BATCH_RECORDS);
  const ts = new Float64Array(MAX_BATCH_RECORDS);
  const lines = new Int32Array(MAX_BATCH_RECORDS);
  let bytes: ByteReader | undefined;
  let buf: Buffer = Buffer.alloc(0);
  let at = 0;
  let { offset, line } = from;
  let ended = false;

  /** End of the line that starts at `at`: its newline, the end of a finished file, or −1 while it is incomplete. */
  const lineEnd = (): number => {
    const newline = buf.indexOf(NEWLINE, at);
    if (newline >= 0) return newline;
    return ended && !follow && at < buf.length ? buf.length : -1;
  };

  const batch: Batch = {
    split: split.index,
    n: 0,
    buf,
    off,
    len,
    ts,
    key: undefined,
    describe: (i) => `${split.id}:${lines[i]}`,
  };

  return {
    split,
    poll: (now) => {
      let n = 0;
      while (n < MAX_BATCH_RECORDS && at < buf.length) {
        const end = lineEnd();
        if (end < 0) break;
        const length = end - at - (end > at && buf[end - 1] === RETURN ? 1 : 0);
        line++;
        if (length > 0) {
          off[n] = at;
          len[n] = length;
          ts[n] = now;
          lines[n] = line;
          n++;
        }
        const next = Math.min(end + 1, buf.length);
        offset += next - at;
        at = next;
      }
      if (n === 0) return undefined;
      batch.n = n;
      batch.buf = buf;
      return batch;
    },
    fill: async () => {
      try {
        bytes ??= await open(offset);
        const more = await bytes.next();
        ended = more === undefined;
        if (more === undefined) return false;
        buf = at === buf.length ? more : Buffer.concat([buf.subarray(at), more]);
        at = 0;
      } catch (e) {
        if (isWeirError(e)) throw e;
        throw new WeirError("SOURCE_UNREACHABLE", `cannot read ${split.id}: ${messageOf(e)}`, { cause: e });
      }
      if (buf.length > MAX_LINE_BYTES && buf.indexOf(NEWLINE) < 0) {
        throw new WeirError("RECORD_MALFORMED", `${split.id}:${line + 1} is longer than ${MAX_LINE_BYTES} bytes`);
      }
      return true;
    },
    position: () => ({ offset, line }),
    get done() {
      return ended && !follow && at === buf.length;
    },
    close: async () => await bytes?.close(),
  };
}
