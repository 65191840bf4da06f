import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of the buffers of this process that something still holds: what waits to be collected is collected first. */
export function heldBuffers(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // The second one ends the sweep of the first, which goes on beside the program.
  collect();
  collect();
  return process.memoryUsage().arrayBuffers;
}
