import type { Storage } from "./storage.ts";

/** Shared by everything in the process that opens the same URI, as a folder would be. */
const spaces = new Map<string, Map<string, Buffer>>();

/** Keeps objects in this process: gone with it, and said so by `durable`. */
export function memoryStorage(uri: string): Storage {
  const objects = spaces.get(uri) ?? new Map<string, Buffer>();
  spaces.set(uri, objects);
  return {
    uri,
    durable: false,
    read: (path, range) => {
      const bytes = objects.get(path);
      if (bytes === undefined || range === undefined) return Promise.resolve(bytes);
      return Promise.resolve(bytes.subarray(range.offset, range.offset + range.length));
    },
    writer: (path) => {
      const pieces: Buffer[] = [];
      return Promise.resolve({
        write: (bytes) => {
          pieces.push(Buffer.from(bytes));
          return Promise.resolve();
        },
        close: () => {
          objects.set(path, Buffer.concat(pieces));
          return Promise.resolve();
        },
        abandon: () => Promise.resolve(),
      });
    },
    create: (path, bytes) => {
      if (objects.has(path)) return Promise.resolve(false);
      objects.set(path, Buffer.from(bytes));
      return Promise.resolve(true);
    },
    list: (folder) => {
      const below = [...objects.keys()]
        .filter((p) => p.startsWith(`${folder}/`))
        .map((p) => p.slice(folder.length + 1));
      return Promise.resolve([...new Set(below.map((p) => p.split("/")[0] as string))]);
    },
    remove: (path) => {
      for (const key of objects.keys()) if (key === path || key.startsWith(`${path}/`)) objects.delete(key);
      return Promise.resolve();
    },
  };
}
