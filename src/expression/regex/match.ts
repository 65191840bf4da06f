import type { Automaton } from "./automaton.ts";
import { automatonOf } from "./automaton.ts";
import type { Range } from "./syntax.ts";
import { parsePattern, PatternError } from "./syntax.ts";

export interface Matcher {
  /** Whether the pattern matches anywhere in the text. */
  readonly test: (text: string) => boolean;
  /** Steps per character at worst. */
  readonly steps: number;
}

/** A set of the automaton's states, made when a text first leads to it. */
interface Place {
  readonly members: readonly number[];
  /** Matched already: what follows does not matter. */
  readonly matched: boolean;
  readonly matchesAtEnd: boolean;
  /** By class of characters; undefined until it was needed. */
  readonly next: (Place | undefined)[];
}

const MAX_PLACES = 500;
const MAX_MATCHERS = 1000;
const matchers = new Map<string, Matcher | string>();

/** The matcher of a pattern, or what is wrong with the pattern. */
export function matcher(pattern: string): Matcher | string {
  const known = matchers.get(pattern);
  if (known !== undefined) return known;
  if (matchers.size >= MAX_MATCHERS) matchers.clear();
  const made = compile(pattern);
  matchers.set(pattern, made);
  return made;
}

function compile(pattern: string): Matcher | string {
  try {
    const automaton = automatonOf(parsePattern(pattern));
    return { test: tester(automaton), steps: Math.ceil(automaton.states.length / 8) };
  } catch (e) {
    if (e instanceof PatternError) return e.message;
    throw e;
  }
}

function tester(automaton: Automaton): (text: string) => boolean {
  const classes = characterClasses(automaton);
  let places = new Map<string, Place>();

  const placeOf = (seeds: readonly number[], atStart: boolean): Place => {
    const members = closure(automaton, seeds, { start: atStart, end: false });
    const key = (atStart ? "^" : "") + members.join();
    const known = places.get(key);
    if (known !== undefined) return known;
    // A pattern can have exponentially many places; forgetting them keeps the memory bounded and the answer the same.
    if (places.size >= MAX_PLACES) places = new Map();
    const place: Place = {
      members,
      matched: members.includes(0),
      matchesAtEnd: closure(automaton, seeds, { start: atStart, end: true }).includes(0),
      next: [],
    };
    places.set(key, place);
    return place;
  };
  const step = (from: Place, point: number, cls: number): Place => {
    const moved = from.members.flatMap((m) => {
      const state = automaton.states[m];
      return state?.kind === "set" && includes(state.ranges, point) ? [state.next] : [];
    });
    const place = placeOf([...moved, automaton.first], false);
    from.next[cls] = place;
    return place;
  };

  return (text) => {
    let place = placeOf([automaton.first], true);
    for (let i = 0; i < text.length && !place.matched; i++) {
      const point = text.codePointAt(i) ?? 0;
      if (point > 0xffff) i++;
      const cls = classes(point);
      place = place.next[cls] ?? step(place, point, cls);
    }
    return place.matched || place.matchesAtEnd;
  };
}

const includes = (ranges: readonly Range[], point: number): boolean =>
  ranges.some(([from, to]) => point >= from && point <= to);

/** All states reached without a character, in order. */
function closure({ states }: Automaton, seeds: readonly number[], at: { start: boolean; end: boolean }): number[] {
  const reached = new Set<number>();
  const open = [...seeds];
  while (open.length > 0) {
    const number = open.pop() ?? 0;
    if (reached.has(number)) continue;
    reached.add(number);
    const state = states[number];
    if (state?.kind === "split") open.push(...state.next);
    else if (state?.kind === "start" && at.start) open.push(state.next);
    else if (state?.kind === "end" && at.end) open.push(state.next);
  }
  return [...reached].toSorted((a, b) => a - b);
}

/** Characters that no set of the pattern tells apart are one class. */
function characterClasses({ states }: Automaton): (point: number) => number {
  const borders = new Set<number>([0]);
  for (const state of states) {
    if (state.kind !== "set") continue;
    for (const [from, to] of state.ranges) borders.add(from).add(to + 1);
  }
  const sorted = [...borders].toSorted((a, b) => a - b);
  const find = (point: number): number => {
    let [low, high] = [0, sorted.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((sorted[middle] ?? 0) <= point) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const ascii = Uint16Array.from({ length: 128 }, (_, point) => find(point));
  return (point) => ascii[point] ?? find(point);
}
