import { z } from "zod";
import { exactlyOne } from "./rule.ts";
import { list, objectName, text, textMap } from "./text.ts";

/** Which jobs a policy or window is about: by name, or by label. */
const selector = z.strictObject({
  matchLabels: textMap(32, 63).optional(),
  matchExpressions: list(
    z.strictObject({
      key: text(316),
      operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist"]),
      values: list(text(63), 32).optional(),
    }),
    16,
  ).optional(),
});

export const jobSelection = {
  fields: { jobs: list(objectName, 100, 1).optional(), selector: selector.optional() },
  rule: exactlyOne(["jobs", "selector"], "which jobs"),
};
export interface JobSelection {
  readonly jobs?: readonly string[] | undefined;
  readonly selector?: z.infer<typeof selector> | undefined;
}

/** Whether a job with this name and these labels is meant. An empty selector means every job, as in Kubernetes. */
export function selects(selection: JobSelection, name: string, labels: Readonly<Record<string, string>>): boolean {
  if (selection.jobs !== undefined) return selection.jobs.includes(name);
  const { matchLabels = {}, matchExpressions = [] } = selection.selector ?? {};
  return (
    selection.selector !== undefined &&
    Object.entries(matchLabels).every(([k, v]) => labels[k] === v) &&
    matchExpressions.every((e) => matches(e, labels))
  );
}

function matches(
  e: { key: string; operator: "In" | "NotIn" | "Exists" | "DoesNotExist"; values?: string[] | undefined },
  labels: Readonly<Record<string, string>>,
): boolean {
  const value = labels[e.key];
  switch (e.operator) {
    case "In":
      return value !== undefined && (e.values ?? []).includes(value);
    case "NotIn":
      return value === undefined || !(e.values ?? []).includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
  }
}
