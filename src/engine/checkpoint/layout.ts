/** Whose checkpoints: the folder below the storage URI is derived from it. */
export interface SlotIdentity {
  readonly namespace: string;
  readonly job: string;
  readonly jobUid: string;
  readonly lineage: string;
  readonly epoch: number;
  readonly slot: number;
  readonly slots: number;
  readonly attempt: number;
}

/** `<namespace>/<job>/<lineage>/checkpoints/e<epoch>/s<slot>/<id>/{manifest.json,state-a<attempt>.seg}` */
export const checkpointsFolder = (of: Pick<SlotIdentity, "namespace" | "job" | "lineage">): string =>
  `${of.namespace}/${of.job}/${of.lineage}/checkpoints`;

export const epochFolder = (of: SlotIdentity, epoch = of.epoch): string => `${checkpointsFolder(of)}/e${epoch}`;

/** The name of an epoch's folder. */
export const EPOCH = /^e([0-9]+)$/;

/** Within it, that of a slot's. */
export const SLOT = /^s([0-9]+)$/;

export const slotFolder = (of: SlotIdentity, epoch = of.epoch, slot = of.slot): string =>
  `${epochFolder(of, epoch)}/s${slot}`;

/** Where an epoch came from: written when it starts, read when one of its slots left no checkpoint. */
export const originPath = (of: SlotIdentity, epoch = of.epoch): string => `${epochFolder(of, epoch)}/origin.json`;

export const MANIFEST = "manifest.json";
/** Marks that the commits after the manifest were made; only where a sink has something to commit. */
export const COMPLETED = "completed";
export const SAVEPOINT_METADATA = "_metadata.json";

/** Numbers of the checkpoint folders below a slot's folder, newest first. */
export function checkpointIds(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[0-9]+$/.test(name))
    .map(Number)
    .toSorted((a, b) => b - a);
}
