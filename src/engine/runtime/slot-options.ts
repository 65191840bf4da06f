import type { CheckpointReport, StartDocument } from "../../api/worker-protocol.ts";
import type { Clock } from "../../clock.ts";
import type { SlotIdentity } from "../checkpoint/layout.ts";
import { openStorage, type StorageOpener } from "../checkpoint/storage.ts";
import type { ConnectorRegistry } from "../connectors/registry.ts";
import type { ImportModule } from "../functions/loaded-function.ts";
import type { Plan } from "../plan.ts";
import type { Program, ProgramOptions } from "../program.ts";
import type { Problem } from "./problems.ts";

/** Everything a slot needs from outside; the worker and tests fill it in. */
export interface SlotOptions {
  readonly plan: Plan;
  readonly start: StartDocument;
  readonly slot: number;
  readonly attempt: number;
  /** `compile`, or `interpret` for the oracle. */
  readonly build: (plan: Plan, options: ProgramOptions) => Program;
  readonly connectors: ConnectorRegistry;
  readonly clock: Clock;
  readonly resolvePath: (path: string) => string;
  /** A key of a mounted Secret. */
  readonly secret: (name: string, key: string) => string | undefined;
  /** A key of a mounted ConfigMap. */
  readonly configMap: (name: string, key: string) => string | undefined;
  /** Imports a user's module; without it, a plan that has one is refused. */
  readonly importModule?: ImportModule;
  readonly listener: SlotListener;
  /** A folder of this worker's own for state in RocksDB. What is left there of it is removed at the start: the checkpoint is what counts. */
  readonly stateFolder?: string;
  /** Somebody remembers that this slot had completed a checkpoint in this epoch: it must not start without one. */
  readonly hadState?: boolean;
  /** Ends waiting for unreachable systems. */
  readonly signal: AbortSignal;
}

/** How this worker reaches any of its job's storage. */
export function storageOpener({
  start,
  resolvePath,
  secret,
}: Pick<SlotOptions, "start" | "resolvePath" | "secret">): StorageOpener {
  const { objectStore } = start.checkpoint;
  if (objectStore === undefined) return (uri) => openStorage(uri, resolvePath);
  const { endpoint, region, secret: secretName } = objectStore;
  const objects = { endpoint, region, secretName, secret: (key: string) => secret(secretName, key) };
  return (uri) => openStorage(uri, resolvePath, objects);
}

export interface SlotListener {
  restoring?(): void;
  checkpoint?(report: CheckpointReport): void;
  problem?(problem: Problem | undefined): void;
  /** Worth a line in the log, not an end of anything. */
  warning?(message: string): void;
  /** What a `peek` node shows of a record. */
  peek?(node: string, text: string): void;
}

export function identityOf({ start, slot, attempt }: SlotOptions): SlotIdentity {
  const { namespace, job, jobUid, lineage, epoch, slots } = start;
  return { namespace, job, jobUid, lineage, epoch, slots, slot, attempt };
}
