/**
 * Loaded into a worker by `node --import`: at the first SIGUSR2 it begins to watch the event loop, at the next it writes
 * how long the loop was away, as a line of the log, and begins anew.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";

const delays = monitorEventLoopDelay({ resolution: 1 });

process.on("SIGUSR2", () => {
  const ms = (percentile: number): number => delays.percentile(percentile) / 1e6;
  console.error(JSON.stringify({ msg: "event loop", p99: ms(99), max: delays.max / 1e6 }));
  delays.reset();
  delays.enable();
});
