import type { SinkFactory } from "../connector.ts";
import { lineWriter } from "../line-writer.ts";

/**
 * Writes each record as a line to the process's standard output, where `kubectl logs` shows it. At least once.
 * A line waits at most until the next barrier.
 */
export const stdoutSink: SinkFactory = {
  open: () =>
    Promise.resolve(
      lineWriter({
        write: (bytes) =>
          new Promise((resolve, reject) => {
            process.stdout.write(bytes, (e) => {
              if (e) reject(e);
              else resolve();
            });
          }),
        sync: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }),
    ),
};
