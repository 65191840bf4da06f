import type { LookupAnswer, LookupPort } from "../../src/engine/lookups/lookup-port.ts";
import type { Plan } from "../../src/engine/plan.ts";

type Open = { -readonly [K in keyof LookupAnswer]: LookupAnswer[K] };

/** Answers that come when a test says so; what they are depends on the key alone. */
export interface GivenAnswers extends LookupPort {
  /** Of those that are asked for, the one with this number comes, counted round; false where none is. */
  arrive(number: number): boolean;
}

export function givenAnswers(rowsOf: (key: string) => readonly string[] | { readonly problem: string }): GivenAnswers {
  const asked: { key: string; answer: Open }[] = [];
  return {
    ask: (key) => {
      const answer: Open = { state: "asked", rows: [], problem: "" };
      asked.push({ key, answer });
      return answer;
    },
    arrive: (number) => {
      const [next] = asked.splice(number % Math.max(1, asked.length), 1);
      if (next === undefined) return false;
      const rows = rowsOf(next.key);
      if ("problem" in rows) Object.assign(next.answer, { state: "failed", problem: rows.problem });
      else Object.assign(next.answer, { state: "found", rows: rows.map((row) => Buffer.from(row)) });
      return true;
    },
  };
}

/** Nothing, one row, several, or a failure; rows are of any type, as hostile as JSON gets. */
export function anyRows(key: string): readonly string[] | { readonly problem: string } {
  const kind = Buffer.from(key).reduce((sum, byte) => sum + byte, 0);
  const row = `{"tenant": ${key}, "payload":{"lag":1.0}, "ts":${kind}}`;
  const kinds = [[row], [], [row, "null", `{"ts":"\\u0061"}`], { problem: "too late" }, [`[${key}]`], ["7", row]];
  return kinds[kind % kinds.length] ?? [];
}

export function answersOf(plan: Plan): ReadonlyMap<string, GivenAnswers> {
  const lookups = plan.nodes.filter((node) => node.kind === "lookup");
  return new Map(lookups.map(({ name }) => [name, givenAnswers(anyRows)]));
}
