import { isWeirError, messageOf, WeirError } from "../../../errors.ts";
import { MAX_BATCH_RECORDS, type Batch } from "../../batch.ts";
import type { Split } from "../connector.ts";
import type { ByteReader } from "./line-reader.ts";
import { fingerprintOf, NOTHING, PRINTED, withMore, type Fingerprint, type ReadBytes } from "./read-bytes.ts";

const MAX_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 10;
const RETURN = 13;

export interface SplitReaderOptions {
  readonly split: Split;
  readonly from: FilePosition;
  readonly follow: boolean;
  readonly open: (offset: number) => ByteReader | Promise<ByteReader>;
  /** It is another file than the one that was read so far; this one is read from its beginning. */
  readonly replaced: (message: string) => void;
}

export interface FilePosition {
  /** Of the first unread byte. */
  readonly offset: number;
  /** Number of lines before it. */
  readonly line: number;
  /** Of what is before it, where that is known. */
  readonly read?: Fingerprint | undefined;
}

/** Cuts one file into batches of lines. `fill` reads ahead; `poll` only cuts what is there. */
export interface FileSplitReader {
  readonly split: Split;
  poll(now: number): Batch | undefined;
  /** Reads the next bytes; resolves to false when there was nothing new. */
  fill(): Promise<boolean>;
  position(): FilePosition;
  readonly done: boolean;
  close(): Promise<void>;
}

export function fileSplitReader({ split, from, follow, open, replaced }: SplitReaderOptions): FileSplitReader {
  const off = new Int32Array(MAX_BATCH_RECORDS);
  const len = new Int32Array(MAX_BATCH_RECORDS);
  const ts = new Float64Array(MAX_BATCH_RECORDS);
  const lines = new Int32Array(MAX_BATCH_RECORDS);
  let bytes: ByteReader | undefined;
  let buf: Buffer = Buffer.alloc(0);
  let at = 0;
  let { offset, line } = from;
  let ended = false;
  /** Of what is before `buf`; not known before the file is open. */
  let read = NOTHING;
  let printed = from;

  const position = (): FilePosition => {
    if (printed.offset !== offset) printed = { offset, line, read: fingerprintOf(withMore(read, buf.subarray(0, at))) };
    return printed;
  };
  const put = (bytes: Buffer): void => {
    read = withMore(read, buf.subarray(0, at));
    buf = at === buf.length ? bytes : Buffer.concat([buf.subarray(at), bytes]);
    at = 0;
  };
  const goOn = (before: ReadBytes): void => {
    read = before;
    buf = Buffer.alloc(0);
    at = 0;
    printed = { offset, line, ...(offset > 0 && { read: fingerprintOf(before) }) };
  };
  /** Opens the file that has the name now, where the one before ended or at its own beginning. */
  const begin = async (isRenamed: boolean): Promise<ByteReader> => {
    const known = position();
    const opened = await open(offset);
    const before = offset === 0 ? { ...NOTHING, length: 0 } : await opened.before();
    if (!isOther(known, before, isRenamed)) {
      goOn(before);
      return opened;
    }
    await opened.close();
    const what = `${split.id} is another file than the one that was read up to byte ${offset}`;
    replaced(`${what}: it is read from its beginning, and nothing more of the old one`);
    offset = line = 0;
    goOn(NOTHING);
    return await open(0);
  };
  /** The next bytes, also of a file that has taken the name of one that was read to its end. */
  const more = async (): Promise<Buffer | undefined> => {
    bytes ??= await begin(false);
    const found = await bytes.next();
    if (found !== undefined || !follow || !(await bytes.renamed())) return found;
    // What was written between the look at its end and the new file.
    const last = await bytes.next();
    if (last !== undefined) return last;
    await bytes.close();
    bytes = undefined;
    bytes = await begin(true);
    return await bytes.next();
  };

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
        const found = await more();
        ended = found === undefined;
        if (found === undefined) return false;
        put(found);
      } catch (e) {
        if (isWeirError(e)) throw e;
        throw new WeirError("SOURCE_UNREACHABLE", `cannot read ${split.id}: ${messageOf(e)}`, { cause: e });
      }
      if (buf.length > MAX_LINE_BYTES && buf.indexOf(NEWLINE) < 0) {
        throw new WeirError("RECORD_MALFORMED", `${split.id}:${line + 1} is longer than ${MAX_LINE_BYTES} bytes`);
      }
      return true;
    },
    position,
    get done() {
      return ended && !follow && at === buf.length;
    },
    close: async () => await bytes?.close(),
  };
}

/** A file that is shorter and begins alike was cut off, which is for `next` to say; but not one that was put in its place. */
function isOther(
  { offset, read }: FilePosition,
  before: ReadBytes & { readonly length: number },
  isRenamed: boolean,
): boolean {
  if (read === undefined) return false;
  const found = fingerprintOf(before);
  if (before.length === offset) return found.head !== read.head || found.tail !== read.tail;
  return isRenamed || (before.length >= PRINTED && found.head !== read.head);
}
