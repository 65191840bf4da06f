import { ANNOTATION } from "./group.ts";

/** What a status says of the object it was decided on: for which generation, and for which request to look again. */
export interface Observed {
  readonly observedGeneration: number;
  readonly lastHandledReconcileAt: string | undefined;
}

/** Longer values are none of a time; the schema bounds them. */
const LONGEST = 256;

export function observed(metadata: {
  readonly generation?: number | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}): Observed {
  return {
    observedGeneration: metadata.generation ?? 0,
    lastHandledReconcileAt: metadata.annotations?.[ANNOTATION.requestedAt]?.slice(0, LONGEST),
  };
}
