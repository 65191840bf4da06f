import { KeyedProcess } from "../functions/keyed-process.ts";
import type { KeyedProcessParts } from "../functions/keyed-process.ts";
import type { KeyedProcessNode } from "../functions/process-node.ts";
import type { RocksState } from "./database.ts";
import type { HashedKey } from "../windows/bucket.ts";
import { RocksFunctions } from "./rocks-functions.ts";
import type { ValueStore } from "./value-store.ts";

/** A process node whose keys are in RocksDB. */
export class RocksProcess extends KeyedProcess {
  readonly store: ValueStore;
  /** Of a record that comes soon; filled anew each time. */
  readonly key: HashedKey = { bytes: new Uint8Array(0), start: 0, stop: 0, hash: 0 };
  private readonly functions: RocksFunctions;

  constructor(node: KeyedProcessNode, parts: Omit<KeyedProcessParts, "store">, state: RocksState) {
    const functions = new RocksFunctions(node.name, node.ttlMs, state);
    super(node, { ...parts, store: functions });
    this.functions = functions;
    this.store = functions.store;
  }

  /** A record of `key` comes soon. */
  want(shard: number): void {
    const { bytes, start, stop } = this.key;
    this.functions.want(shard, Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString());
  }
}
