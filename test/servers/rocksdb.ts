import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { rocksState } from "../../src/engine/rocksdb/database.ts";
import type { RocksState } from "../../src/engine/rocksdb/database.ts";

/** A fresh machine installs the library and builds the addon first; both are kept. */
export function buildAddon(): void {
  execFileSync("bash", [join(import.meta.dirname, "../../scripts/rocksdb/build.sh")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

export interface RocksFolder {
  readonly path: string;
  /** State in a folder of its own. A small `cacheBytes` reads and writes the database at every batch. */
  state(of?: { memoryBytes?: number; cacheBytes?: number }): RocksState;
  /** Those that were made so far. */
  close(): void;
}

/** Real RocksDB for the tests of a file; everything is closed and removed at their end. */
export function rocksFolder(): RocksFolder {
  const path = mkdtempSync(join(tmpdir(), "weir-rocksdb-"));
  const opened: RocksState[] = [];
  beforeAll(buildAddon);
  const close = (): void => {
    for (const state of opened.splice(0)) state.close();
  };
  let made = 0;
  afterAll(() => {
    close();
    rmSync(path, { recursive: true, force: true });
  });
  return {
    path,
    close,
    state: ({ memoryBytes = 16 * 1024 * 1024, cacheBytes } = {}) => {
      const state = rocksState({ folder: join(path, String(made++)), memoryBytes, nodes: 4 });
      opened.push(state);
      return cacheBytes === undefined ? state : { ...state, cacheBytes };
    },
  };
}
