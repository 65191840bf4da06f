import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Results } from "./story.ts";

const SAMPLE_ROWS = 5;
const CHUNK = 1 << 20;

/**
 * Follows the part files of a file sink: each call reads what was appended since the last one. A row counts as repeated
 * when an earlier one has the same key and window.
 */
export function followResults(folder: string, keyField: string): { read(): Promise<Results> } {
  const positions = new Map<string, { at: number; rest: string }>();
  const windows = new Set<string>();
  const sample: string[] = [];
  let rows = 0;
  let repeated = 0;

  const row = (text: string): void => {
    rows++;
    if (sample.length < SAMPLE_ROWS) sample.push(text);
    const value = JSON.parse(text) as Record<string, unknown>;
    const id = `${String(value[keyField])}/${String(value["windowStart"])}`;
    if (windows.has(id)) repeated++;
    windows.add(id);
  };

  const readFile = async (path: string): Promise<void> => {
    const position = positions.get(path) ?? { at: 0, rest: "" };
    positions.set(path, position);
    const file = await open(path);
    try {
      const buffer = Buffer.alloc(CHUNK);
      for (;;) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK, position.at);
        if (bytesRead === 0) return;
        position.at += bytesRead;
        const lines = (position.rest + buffer.toString("utf8", 0, bytesRead)).split("\n");
        position.rest = lines.pop() ?? "";
        for (const line of lines) row(line);
      }
    } finally {
      await file.close();
    }
  };

  return {
    read: async () => {
      const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
      for (const entry of entries) if (entry.isFile()) await readFile(join(entry.parentPath, entry.name));
      return { rows, repeated, sample };
    },
  };
}
