import { newMemory, type Memory } from "../webassembly.ts";
import { DATA, LayoutScanner } from "./layout-scanner.ts";

/** What scans the records of a memory, once somebody wants that. */
const scanners = new WeakMap<ArrayBufferLike, () => LayoutScanner>();

/**
 * A memory for records. What is before `from` belongs to the scanner: records that lie behind it are scanned where they are.
 * Where they end is a zero, and BEHIND bytes of memory.
 */
export function recordMemory(bytes: number): { readonly memory: Memory; readonly from: number } {
  const memory = newMemory(DATA + bytes);
  let scanner: LayoutScanner | undefined;
  scanners.set(memory.buffer, () => (scanner ??= new LayoutScanner(memory)));
  return { memory, from: DATA };
}

/** One for all records in other memory, whose batches come one after the other: address space for a memory is gigabytes. */
let copying: LayoutScanner | undefined;

export const scannerOf = (buf: Buffer): LayoutScanner =>
  scanners.get(buf.buffer)?.() ?? (copying ??= new LayoutScanner());
