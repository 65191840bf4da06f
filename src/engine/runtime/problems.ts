import type { Clock } from "../../clock.ts";

/** Something that keeps the job from going on for now; it is tried again and does not end the job. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly nextTryAt: number;
}

/** The open problems of a slot by who has them; the oldest is the one that is shown. */
export interface Problems {
  report(who: string, problem: Problem | undefined): void;
  current(): Problem | undefined;
  has(code: string): boolean;
}

export function problems(clock: Clock, changed: (problem: Problem | undefined) => void): Problems {
  const open = new Map<string, { problem: Problem; since: number }>();
  const current = (): Problem | undefined => [...open.values()].toSorted((a, b) => a.since - b.since)[0]?.problem;
  return {
    report: (who, problem) => {
      const before = current();
      if (problem === undefined) open.delete(who);
      else open.set(who, { problem, since: open.get(who)?.since ?? clock.now() });
      const after = current();
      if (after?.message !== before?.message || after?.nextTryAt !== before?.nextTryAt) changed(after);
    },
    current,
    has: (code) => [...open.values()].some((p) => p.problem.code === code),
  };
}
