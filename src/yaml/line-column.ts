/** A place in a text, both counted from 1. */
export interface LineColumn {
  readonly line: number;
  readonly column: number;
}

const BREAK = /\r\n|\r|\n/g;

/** Where an offset is, as editors count: a column is a UTF-16 unit. */
export function lineColumn(text: string, offset: number): LineColumn {
  const before = text.slice(0, Math.max(0, Math.min(offset, text.length)));
  let line = 1;
  let start = 0;
  for (const { index, 0: found } of before.matchAll(BREAK)) {
    line++;
    start = index + found.length;
  }
  return { line, column: before.length - start + 1 };
}
