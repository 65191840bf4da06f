import type { Candidate } from "./candidates.ts";

export type Wanting = Extract<Candidate, { readonly wants: unknown }>;

/** Stop > Savepoint > Restart > Start > Scale up > Scale down: what is safer comes first. */
function rank(candidate: Wanting, parallelism: number): number {
  switch (candidate.wants.verb) {
    case "stop":
      return 0;
    case "savepoint":
      return 1;
    case "restart":
      return 2;
    case "start":
      return 3;
    case "scale":
      return candidate.wants.parallelism > parallelism ? 4 : 5;
  }
}

/** One action for a job: the safest, then the highest wanted scale, then priority, then name. Returns all, winner first. */
export function arbitrate(candidates: readonly Wanting[], parallelism: number): Wanting[] {
  const priority = (c: Wanting): number => c.rule.policy.spec.priority ?? 0;
  return candidates.toSorted(
    (a, b) =>
      rank(a, parallelism) - rank(b, parallelism) ||
      (b.scaleTo ?? 0) - (a.scaleTo ?? 0) ||
      priority(b) - priority(a) ||
      (a.rule.by < b.rule.by ? -1 : 1),
  );
}

/** Why the loser lost, for its record. */
export function beatenBy(winner: Wanting): string {
  return `${winner.rule.by} comes first: ${winner.wants.verb}`;
}
