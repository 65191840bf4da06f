import type { ErrorCode } from "../../errors.ts";
import type { OnError } from "../plan.ts";
import type { NodeCounters } from "../program.ts";
import { recordFailure } from "../record-failure.ts";

/** What flows through an interpreted program. */
export interface Flowing {
  readonly value: unknown;
  /** The record's own bytes while it is unchanged. A record without value and bytes is a tombstone, which nobody looked into. */
  readonly raw: Buffer | undefined;
  readonly ts: number;
  readonly shard: number;
  /** Position, for messages. */
  readonly where: string;
}

export type Push = (event: Flowing) => void;

/** A node's surroundings: its counters, and where its outputs go. */
export interface Stage {
  readonly name: string;
  readonly onError: OnError;
  readonly counters: NodeCounters;
  readonly output: (name: string) => Push;
}

/** Runs `step`; what it throws is this record's failure, to be handled as the node says. */
export function guarded<T>(stage: Stage, event: Flowing, step: () => T): { value: T } | undefined {
  try {
    return { value: step() };
  } catch (cause) {
    fail(stage, event, { code: "EXPRESSION_FAILED", cause });
    return undefined;
  }
}

export function fail(stage: Stage, event: Flowing, failure: { code: ErrorCode; cause: unknown }): void {
  stage.counters.errors++;
  switch (stage.onError) {
    case "Skip":
      return;
    case "Dead":
      stage.output("dead")(event);
      return;
    case "Fail":
      throw recordFailure(stage.name, event.where, failure);
  }
}
