import type { JoinNode } from "../joins/join-node.ts";
import type { RocksState } from "./database.ts";
import { RocksIntervalJoin } from "./rocks-interval-join.ts";
import type { RocksJoin } from "./rocks-join.ts";
import { RocksTemporalJoin } from "./rocks-temporal-join.ts";
import { RocksUnboundedJoin } from "./rocks-unbounded-join.ts";
import { RocksWindowJoin } from "./rocks-window-join.ts";

/** The state of a join in RocksDB. */
export function rocksJoin(node: JoinNode, state: RocksState): RocksJoin | RocksTemporalJoin {
  const { times } = node;
  switch (times.type) {
    case "window":
      return new RocksWindowJoin(node, times.sizeMs, state);
    case "interval":
      return new RocksIntervalJoin(node, times, state);
    case "unbounded":
      return new RocksUnboundedJoin(node, times.ttlMs, state);
    case "temporal":
      return new RocksTemporalJoin(node, state);
  }
}
