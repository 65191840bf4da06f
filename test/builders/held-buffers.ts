import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Bytes of the buffers of this process that something still holds: what waits to be collected is collected first. */
export const heldBuffers = (): number => collected().arrayBuffers;

/** The same of its objects. */
export const heldObjects = (): number => collected().heapUsed;

function collected(): NodeJS.MemoryUsage {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // The second one ends the sweep of the first, which goes on beside the program.
  collect();
  collect();
  return process.memoryUsage();
}
