import { cpus, loadavg, release } from "node:os";

/** Where and when a table came about, for its first line. */
export function machine(versions: readonly string[]): string {
  const [first] = cpus();
  const day = new Date().toISOString().slice(0, 10);
  const parts = [
    `${first?.model.trim() ?? "?"} (${cpus().length} cores)`,
    `Linux ${release()}`,
    `Node ${process.versions.node}`,
  ];
  return `${day}, ${[...parts, ...versions].join(", ")}`;
}

/** Of the last minute: a figure of wall time means something only where it is below the number of cores. */
export const load = (): string => (loadavg()[0] ?? 0).toFixed(1);
