import { messageOf, WeirError } from "../../errors.ts";
import type { Addon } from "./addon.ts";

/** The same addon; where RocksDB cannot use its files, the error says which place that is and what helps. */
export function explained(addon: Addon, folder: string): Addon {
  const explain =
    <Args extends unknown[], Result>(call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      try {
        return call(...args);
      } catch (e) {
        throw stateFailure(e, folder);
      }
    };
  const { open, read, write, remove, scan, next } = addon;
  return {
    ...addon,
    open: explain(open),
    read: explain(read),
    write: explain(write),
    remove: explain(remove),
    scan: explain(scan),
    next: explain(next),
  };
}

function stateFailure(cause: unknown, folder: string): WeirError {
  const says = messageOf(cause);
  const remedy = says.includes("No space left")
    ? `. The disk below ${folder} is full: mount a volume there that is large enough (worker.volumes, worker.volumeMounts), or give the job more workers`
    : ` (files below ${folder})`;
  return new WeirError("STATE_UNWRITABLE", `state.backend RocksDB: ${says}${remedy}`, { cause });
}
