import type { RestorePoint, StartDocument } from "../../src/api/worker-protocol.ts";
import { systemClock, type Clock } from "../../src/clock.ts";
import type { ConnectorRegistry } from "../../src/engine/connectors/registry.ts";
import type { ImportModule } from "../../src/engine/functions/loaded-function.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { completeSavepoint } from "../../src/engine/checkpoint/savepoint.ts";
import { openStorage } from "../../src/engine/checkpoint/storage.ts";
import type { SlotListener, SlotOptions } from "../../src/engine/runtime/slot-options.ts";
import { startSlot, type RunningSlot } from "../../src/engine/runtime/slot.ts";
import { countingProgram } from "./counting-program.ts";
import { startDocumentOf } from "./worker-process.ts";

export interface SlotSetting {
  readonly plan: Plan;
  readonly connectors: ConnectorRegistry;
  readonly uri: string;
  readonly slot?: number;
  readonly slots?: number;
  readonly epoch?: number;
  readonly attempt?: number;
  readonly restore?: RestorePoint;
  readonly checkpoint?: Partial<StartDocument["checkpoint"]>;
  readonly start?: Partial<StartDocument>;
  readonly listener?: SlotListener;
  readonly build?: SlotOptions["build"];
  readonly secret?: SlotOptions["secret"];
  readonly clock?: Clock;
  /** For state in RocksDB. */
  readonly stateFolder?: string;
  /** For plans with functions. */
  readonly importModule?: ImportModule;
}

/** Starts a slot of the counting program in this process; checkpoints are only those that are asked for. */
export function runSlot(of: SlotSetting): Promise<RunningSlot> {
  return startSlot({
    plan: of.plan,
    start: startDocumentOf({
      epoch: of.epoch ?? 1,
      slots: of.slots ?? 1,
      restore: of.restore ?? { kind: "none" },
      ...of.start,
      checkpoint: { ...startDocumentOf().checkpoint, intervalMs: 0, uri: of.uri, ...of.checkpoint },
    }),
    slot: of.slot ?? 0,
    attempt: of.attempt ?? 0,
    build: of.build ?? countingProgram,
    connectors: of.connectors,
    clock: of.clock ?? systemClock,
    resolvePath: (path) => path,
    secret: of.secret ?? (() => undefined),
    configMap: () => undefined,
    listener: of.listener ?? {},
    ...(of.stateFolder === undefined ? {} : { stateFolder: of.stateFolder }),
    ...(of.importModule === undefined ? {} : { importModule: of.importModule }),
    signal: new AbortController().signal,
  });
}

/** Takes a savepoint of all slots, paused, and stops them. */
export async function stopWithSavepoint(running: readonly RunningSlot[], uri: string): Promise<RestorePoint> {
  const parts = await Promise.all(running.map((r) => r.savepoint({ id: "stop", uri, pause: true, drain: false })));
  const storage = openStorage(uri, (path) => path);
  await completeSavepoint(storage, parts);
  await Promise.all(running.map((r) => r.stop("Savepoint", false)));
  return { kind: "savepoint", uri, allowNonRestoredState: false };
}
