export const TIME_BYTES = 8;

/** Numbers whose bytes are in their order: the sign is turned, and all bits of a negative number. */
export function writeTime(key: Buffer, at: number, to: number): void {
  key.writeDoubleBE(at === 0 ? 0 : at, to);
  if (((key[to] as number) & 0x80) === 0) key[to] = (key[to] as number) ^ 0x80;
  else for (let i = to; i < to + TIME_BYTES; i++) key[i] = ~(key[i] as number);
}

export function readTime(key: Buffer): number {
  const time = Buffer.from(key.subarray(0, TIME_BYTES));
  if (((time[0] as number) & 0x80) !== 0) time[0] = (time[0] as number) ^ 0x80;
  else for (let i = 0; i < TIME_BYTES; i++) time[i] = ~(time[i] as number);
  return time.readDoubleBE(0);
}

/** The same as text, whose units are in the order of its bytes. */
export function timeText(at: number): string {
  const bytes = Buffer.alloc(TIME_BYTES);
  writeTime(bytes, at, 0);
  return bytes.toString("hex");
}
