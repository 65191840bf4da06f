import { newMemory, type Memory } from "../webassembly.ts";
import { DATA, LayoutScanner } from "./layout-scanner.ts";

/** What scans the records of a memory, once somebody wants that. */
const scanners = new WeakMap<ArrayBufferLike, () => LayoutScanner>();

/** What is before it in such a memory belongs to the scanner. */
export const RECORDS_FROM = DATA;

/**
 * A memory of so many bytes in all: records that lie behind what belongs to the scanner are scanned where they are. Where they end is
 * a zero, and BEHIND bytes of memory.
 */
export function recordMemory(bytes: number): Memory {
  const memory = newMemory(bytes);
  let scanner: LayoutScanner | undefined;
  scanners.set(memory.buffer, () => (scanner ??= new LayoutScanner(memory)));
  return memory;
}

/** One for all records in other memory, whose batches come one after the other: address space for a memory is gigabytes. */
let copying: LayoutScanner | undefined;

export const scannerOf = (buf: Buffer): LayoutScanner =>
  scanners.get(buf.buffer)?.() ?? (copying ??= new LayoutScanner());
