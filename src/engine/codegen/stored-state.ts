import { stateOf } from "../keyed-state/state-of.ts";
import type { PlanNode } from "../plan.ts";
import type { RocksState } from "../rocksdb/database.ts";
import { RocksJoin } from "../rocksdb/rocks-join.ts";
import { rocksJoin } from "../rocksdb/rocks-joins.ts";
import { RocksProcess } from "../rocksdb/rocks-process.ts";
import { RocksSessions } from "../rocksdb/rocks-sessions.ts";
import { RocksTable } from "../rocksdb/rocks-table.ts";
import { RocksTimedTable } from "../rocksdb/rocks-timed-table.ts";
import { RocksTemporalJoin } from "../rocksdb/rocks-temporal-join.ts";
import { RocksWindows } from "../rocksdb/rocks-windows.ts";
import type { ReadAhead } from "../rocksdb/value-store.ts";
import type { KeyedState } from "./keyed-state.ts";

/** State of which a part is not in memory, and is read before the records that use it. */
export interface StoredState extends KeyedState {
  readonly store: ReadAhead;
}

const STORED = [RocksTable, RocksWindows, RocksSessions, RocksProcess, RocksJoin, RocksTemporalJoin];

export const isStored = (state: KeyedState): state is StoredState => STORED.some((kind) => state instanceof kind);

/** The state of a node in RocksDB; that of functions is opened with them. */
export function storedState(node: PlanNode, rocks: RocksState): KeyedState | undefined {
  return stateOf<KeyedState>(node, {
    sessions: (at, gapMs) => new RocksSessions(at, gapMs, rocks),
    windows: (at) => new RocksWindows(at, rocks),
    table: (options) =>
      options.trigger?.type === "time"
        ? new RocksTimedTable(options, rocks, options.trigger.everyMs)
        : new RocksTable(options, rocks),
    join: (at) => rocksJoin(at, rocks),
  });
}
