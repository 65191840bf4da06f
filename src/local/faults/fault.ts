import type { KubeCall } from "../../kube/call.ts";

/** Which calls a fault is about; what is absent matches everything. */
export interface Match {
  readonly verb?: KubeCall["verb"] | readonly KubeCall["verb"][];
  /** Plural. */
  readonly resource?: string | readonly string[];
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
}

/** A line of a watch as the proxy sees it. */
export interface SeenEvent {
  readonly type: string;
  readonly object: {
    readonly kind?: string;
    readonly metadata?: { readonly name?: string; readonly namespace?: string; readonly resourceVersion?: string };
  };
}

/**
 *  - Delay: the call waits first.
 *  - Answer: the API server is not asked; the client gets this status (429 and 503 with Retry-After when given).
 *  - Cut: the connection breaks, before the call was sent or after the API server has done it.
 *  - Stale: a get or list is answered with what the same request got last time.
 *  - Event: a line of a watch is dropped, sent twice, or withheld until `release` (and so comes late and out of order).
 */
export type Effect =
  | { readonly kind: "Delay"; readonly ms: number }
  | {
      readonly kind: "Answer";
      readonly status: 403 | 409 | 410 | 429 | 500 | 503 | 504;
      readonly retryAfterSeconds?: number;
    }
  | { readonly kind: "Cut"; readonly when: "BeforeSend" | "BeforeAcknowledgement" }
  | { readonly kind: "Stale" }
  | {
      readonly kind: "Event";
      readonly fate: "Drop" | "Duplicate" | "Withhold";
      readonly when?: (event: SeenEvent) => boolean;
    };

export interface Fault {
  readonly match?: Match;
  readonly effect: Effect;
  /** How many calls (or events) it strikes; default: until it is removed. */
  readonly times?: number;
}

export interface FaultSet {
  /** Returns the removal. */
  add(fault: Fault): () => void;
  clear(): void;
  /** The effects that strike this call now, in the order they were added; each counts as one strike. */
  strike<K extends Effect["kind"]>(kind: K, call: KubeCall, when?: (effect: EffectOf<K>) => boolean): EffectOf<K>[];
  /** How often faults have struck. */
  readonly strikes: number;
}

export type EffectOf<K extends Effect["kind"]> = Extract<Effect, { kind: K }>;

export function createFaultSet(): FaultSet {
  const faults = new Map<Fault, number>();
  let strikes = 0;
  return {
    add: (fault) => {
      faults.set(fault, fault.times ?? Infinity);
      return () => faults.delete(fault);
    },
    clear: () => faults.clear(),
    get strikes() {
      return strikes;
    },
    strike: <K extends Effect["kind"]>(
      kind: K,
      call: KubeCall,
      when: (effect: EffectOf<K>) => boolean = () => true,
    ) => {
      const struck: EffectOf<K>[] = [];
      for (const [fault, left] of faults) {
        if (fault.effect.kind !== kind || !matches(fault.match ?? {}, call)) continue;
        const effect = fault.effect as EffectOf<K>;
        if (!when(effect)) continue;
        struck.push(effect);
        strikes++;
        if (left <= 1) faults.delete(fault);
        else faults.set(fault, left - 1);
      }
      return struck;
    },
  };
}

export function matches(match: Match, call: KubeCall): boolean {
  const isOneOf = (wanted: string | readonly string[] | undefined, value: string | undefined): boolean =>
    wanted === undefined ||
    (typeof wanted === "string" ? wanted === value : value !== undefined && wanted.includes(value));
  return (
    isOneOf(match.verb, call.verb) &&
    isOneOf(match.resource, call.resource) &&
    isOneOf(match.subresource, call.subresource) &&
    isOneOf(match.namespace, call.namespace) &&
    isOneOf(match.name, call.name)
  );
}
