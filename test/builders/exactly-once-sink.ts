import type { SinkWriter } from "../../src/engine/connectors/connector.ts";
import { outRecord } from "./connector-context.ts";

export function put(writer: SinkWriter, ...values: readonly string[]): void {
  for (const value of values) writer.append(outRecord(null, value, 0));
}

/** As a checkpoint does it: both in one turn; and through the manifest. */
export async function prepare(writer: SinkWriter, checkpoint: number): Promise<unknown> {
  const flushed = writer.flush();
  const [handle] = await Promise.all([writer.prepare?.(checkpoint), flushed]);
  return JSON.parse(JSON.stringify(handle ?? null)) as unknown;
}

/**
 * A worker writes "1" and is stopped within its first commit. Whoever follows it commits that and writes "2" and "3"; the
 * first one wakes up and goes on between them.
 */
export async function wakeWithinCommit(begin: (attempt: number) => Promise<SinkWriter>): Promise<void> {
  const zombie = await begin(1);
  put(zombie, "1");
  const old = await prepare(zombie, 1);
  const follower = await begin(2);
  await follower.recover?.(old, false);
  put(follower, "2");
  const handle = await prepare(follower, 2);
  put(follower, "3");
  await follower.flush();
  await zombie.commit?.(1, old);
  await zombie.flush();
  await follower.commit?.(2, handle);
  await follower.commit?.(3, await prepare(follower, 3));
  await Promise.all([zombie, follower].map((w) => w.close()));
}
