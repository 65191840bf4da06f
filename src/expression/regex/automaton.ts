import type { Pattern, Range } from "./syntax.ts";
import { PatternError } from "./syntax.ts";

/**
 * Thompson's automaton (Ken Thompson, 1968; Russ Cox, "Regular Expression Matching Can Be Simple And Fast", 2007): states
 * are numbers, a text is followed through all of them at once, so that time is linear in the text.
 */
export type State =
  | { readonly kind: "set"; readonly ranges: readonly Range[]; readonly next: number }
  | { readonly kind: "split"; readonly next: readonly number[] }
  | { readonly kind: "start" | "end"; readonly next: number }
  | { readonly kind: "match" };

export interface Automaton {
  readonly states: readonly State[];
  readonly first: number;
}

const MAX_STATES = 500;

export function automatonOf(pattern: Pattern): Automaton {
  const states: State[] = [{ kind: "match" }];
  const add = (state: State): number => {
    if (states.length >= MAX_STATES) throw new PatternError(`needs more than ${MAX_STATES} states; repeat less`);
    return states.push(state) - 1;
  };
  /** Builds backwards: the entry of `p`, when what follows begins at `next`. */
  const build = (p: Pattern, next: number): number => {
    switch (p.kind) {
      case "set":
        return add({ kind: "set", ranges: p.ranges, next });
      case "start":
      case "end":
        return add({ kind: p.kind, next });
      case "sequence":
        return p.parts.reduceRight((after, part) => build(part, after), next);
      case "choice":
        return p.parts.length === 1 && p.parts[0] !== undefined
          ? build(p.parts[0], next)
          : add({ kind: "split", next: p.parts.map((part) => build(part, next)) });
      case "repeat":
        return repeat(p, next);
    }
  };
  const repeat = ({ part, min, max }: Pattern & { kind: "repeat" }, next: number): number => {
    let after = next;
    if (max === Infinity) after = loop(part, next);
    else for (let i = min; i < max; i++) after = add({ kind: "split", next: [build(part, after), next] });
    for (let i = 0; i < min; i++) after = build(part, after);
    return after;
  };
  const loop = (part: Pattern, next: number): number => {
    const targets: number[] = [];
    const entry = add({ kind: "split", next: targets });
    targets.push(build(part, entry), next);
    return entry;
  };
  const first = build(pattern, 0);
  return { states, first };
}
