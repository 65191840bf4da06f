import { WeirError } from "../../errors.ts";
import type { Interceptor, KubeCall } from "../../kube/call.ts";
import { isWrite } from "../../kube/call.ts";

/**
 * Where a process dies, counted in writes from 1:
 *  - BeforeSend: the write never happens;
 *  - BeforeAcknowledgement: it happened, and nobody was told;
 *  - AfterAcknowledgement: it happened and was acknowledged, and nothing after it happens.
 */
export interface CrashPoint {
  readonly write: number;
  readonly when: "BeforeSend" | "BeforeAcknowledgement" | "AfterAcknowledgement";
}

export interface CrashingCalls {
  /** Install it as an interceptor of the client (or call it around any other side effect). */
  readonly intercept: Interceptor;
  /** The same seam for side effects that are not Kubernetes calls. */
  around<R>(effect: () => Promise<R>): Promise<R>;
  /** The writes so far, also of a run without a crash point. */
  readonly writes: readonly (KubeCall | "effect")[];
  readonly hasCrashed: boolean;
}

/** From the crash on, every call fails, reads too: a dead process sees nothing. `onCrash` is told once. */
export function crashingCalls(point: CrashPoint | undefined, onCrash: () => void = () => {}): CrashingCalls {
  const writes: (KubeCall | "effect")[] = [];
  let dead = false;

  const die = (): WeirError => {
    if (!dead) {
      dead = true;
      onCrash();
    }
    return new WeirError("INTERNAL", "the process crashed here (injected)");
  };

  const write = async <R>(what: KubeCall | "effect", effect: () => Promise<R>): Promise<R> => {
    writes.push(what);
    const when = point?.write === writes.length ? point.when : undefined;
    if (when === "BeforeSend") throw die();
    const result = await effect();
    if (when === "BeforeAcknowledgement" || dead) throw die();
    if (when === "AfterAcknowledgement") die();
    return result;
  };

  return {
    writes,
    get hasCrashed() {
      return dead;
    },
    intercept: (request, next) => {
      if (dead) return Promise.reject(die());
      return isWrite(request) ? write(request.call, () => next(request)) : next(request);
    },
    around: (effect) => (dead ? Promise.reject(die()) : write("effect", effect)),
  };
}
