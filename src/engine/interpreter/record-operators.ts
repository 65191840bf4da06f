import { guarded } from "./operators.ts";
import type { Push, Stage } from "./operators.ts";
import { changed, place, requireBool, requireList, shown } from "./record-values.ts";
import type { Expression } from "./record-values.ts";

/** Operators that have no state: what a record becomes depends on nothing else. */
export function filterPush(stage: Stage, condition: Expression): Push {
  return (event) => {
    const verdict = guarded(stage, event, () => requireBool(condition(event.value)));
    if (verdict?.value === true) stage.output("out")(event);
  };
}

export function mapPush(stage: Stage, fields: readonly { path: readonly string[]; run: Expression }[]): Push {
  return (event) => {
    const built = guarded(stage, event, () => {
      const value = {};
      for (const { path, run } of fields) place(value, path, run(event.value));
      return value;
    });
    if (built !== undefined) stage.output("out")({ ...event, value: built.value, raw: undefined });
  };
}

export function branchPush(
  stage: Stage,
  cases: readonly { name: string; when: Expression }[],
  otherwise: string | null,
): Push {
  return (event) => {
    const taken = guarded(stage, event, () => cases.find((c) => requireBool(c.when(event.value)))?.name ?? otherwise);
    if (taken !== undefined && taken.value !== null) stage.output(taken.value)(event);
  };
}

export function flatMapPush(stage: Stage, expression: Expression): Push {
  return (event) => {
    const list = guarded(stage, event, () => requireList(expression(event.value)));
    for (const value of list?.value ?? []) stage.output("out")(changed(event, value));
  };
}

/** Shows one record of so many. */
export function peekPush(
  stage: Stage,
  { every, text, show }: { every: number; text: Expression | undefined; show: (line: string) => void },
): Push {
  return (event) => {
    if ((stage.counters.in - 1) % every === 0) show(shown(event, text));
    stage.output("out")(event);
  };
}
