import { decoder } from "../../src/engine/json/decoder.ts";
import { rowInts, slotInts } from "../../src/engine/json/layout.ts";
import type { Records } from "../../src/engine/json/layout-scanner.ts";
import { BEHIND } from "../../src/engine/json/layout-scanner.ts";
import { Layouts } from "../../src/engine/json/layouts.ts";
import { projector } from "../../src/engine/json/project.ts";
import { recordMemory, RECORDS_FROM as from } from "../../src/engine/json/record-memory.ts";

type Paths = readonly (readonly string[])[];
type Find = (records: Records) => (readonly unknown[] | undefined)[];

/** Of each record, the values of the wanted fields where its shape is one that came before. It goes on from batch to batch. */
export function finderByShape(wanted: Paths): Find {
  const layouts = new Layouts(wanted);
  const project = projector(wanted);
  const decode = decoder();
  const find = ({ buf, off, len }: Records, i: number): readonly unknown[] | undefined => {
    if (i >= layouts.next) layouts.scan(i);
    const row = (i - layouts.first) * rowInts(wanted.length);
    const { rows } = layouts;
    const value = (at: number): unknown =>
      decode(buf, rows[at] as number, rows[at + 1] as number, rows[at + 2] as number);
    if (rows[row] === 1) return wanted.map((_, k) => value(row + slotInts(k)));
    const start = off[i] as number;
    const end = start + (len[i] as number);
    if (end > start && project(buf, start, end) !== "odd") layouts.learn(i);
    return undefined;
  };
  return (records) => {
    layouts.begin(records);
    return Array.from({ length: records.n }, (_, i) => find(records, i));
  };
}

/** Records that lie one behind the other, each with other bytes behind it. */
export function recordsOf(lines: readonly Buffer[], behind: (i: number) => string = () => ""): Records {
  const gaps = lines.map((_, i) => Buffer.from(behind(i)));
  const len = Int32Array.from(lines, ({ length }) => length);
  const off = new Int32Array(lines.length);
  for (let i = 1; i < off.length; i++)
    off[i] = (off[i - 1] as number) + (len[i - 1] as number) + (gaps[i - 1] as Buffer).length;
  return { buf: Buffer.concat(lines.flatMap((line, i) => [line, gaps[i] as Buffer])), off, len, n: lines.length };
}

const ROOM = 256 * 1024;
const memory = recordMemory(from + ROOM + BEHIND);
const room = Buffer.from(memory.buffer);

/** The same records in memory where they are not copied to be looked at; what was there before is behind them. */
export function inMemory({ buf, off, len, n }: Records): Records {
  if (buf.length > ROOM) throw new Error(`there is room for ${ROOM} bytes, not for ${buf.length}`);
  buf.copy(room, from);
  room[from + buf.length] = 0;
  return { buf: room, off: off.map((at) => at + from), len, n };
}
