import { z } from "zod";
import { controlPolicy } from "./control-policy.schema.ts";
import type { KindName } from "./group.ts";
import { maintenanceWindow } from "./maintenance-window.schema.ts";
import type { Problem } from "./problem.ts";
import { NOT_UNIQUE } from "./rule.ts";
import { fieldsOf, patternMessage, schemaAt } from "./schema-at.ts";
import { streamingJob, streamingJobSpec } from "./streaming-job.schema.ts";
import { suggestion } from "./suggestion.ts";

const SCHEMAS: Record<KindName, z.ZodType> = {
  StreamingJob: streamingJob,
  ControlPolicy: controlPolicy,
  MaintenanceWindow: maintenanceWindow,
};

/** What of an object breaks its schema: the verdict of the API server with strict field validation, without one. */
export function violations(kind: KindName, object: unknown): Problem[] {
  return violationsOf(SCHEMAS[kind], withoutNulls(object), object);
}

/** The same of a StreamingJob's `spec` alone. */
export const specViolations = (spec: unknown): Problem[] =>
  violationsOf(z.object({ spec: streamingJobSpec }), { spec }, { spec });

function violationsOf(schema: z.ZodType, checked: unknown, object: unknown): Problem[] {
  const result = schema.safeParse(checked, { reportInput: true });
  if (result.success) return [];
  const unknown = result.error.issues.filter(({ code }) => code === "unrecognized_keys").map(placeOf);
  return result.error.issues
    .filter((issue) => !(isUnchosen(issue, object) && unknown.includes(placeOf(issue))))
    .flatMap(oneByOne)
    .map((issue) => problemOf(issue, { object, schema }));
}

/** Each unknown field has a place of its own. */
const oneByOne = (issue: z.core.$ZodIssue): z.core.$ZodIssue[] =>
  issue.code === "unrecognized_keys" ? issue.keys.map((key) => ({ ...issue, keys: [key] })) : [issue];

const placeOf = ({ path }: z.core.$ZodIssue): string => JSON.stringify(path);

/** Nothing is chosen: where a field is not known, that one was meant to be. */
const isUnchosen = (issue: z.core.$ZodIssue, object: unknown): boolean =>
  choicesOf(issue)?.every((name) => !Object.hasOwn(writtenAt(issue, object), name)) === true;

/** The API server drops fields that are null before it validates; items of lists it keeps. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(kept.map(([key, child]) => [key, withoutNulls(child)]));
}

interface Checked {
  readonly object: unknown;
  readonly schema: z.ZodType;
}

function problemOf(issue: z.core.$ZodIssue, { object, schema }: Checked): Problem {
  const [unknown] = issue.code === "unrecognized_keys" ? issue.keys : [];
  const at = schemaAt(schema, issue.path);
  const meant = unknown === undefined ? "" : suggestion(unknown, fieldsOf(at));
  const twice = twiceIn(issue);
  const keys = twice === undefined ? issue.path : [...issue.path, twice.index, "name"];
  return {
    code: "SPEC_INVALID",
    path: pathOf(keys, object),
    message: twice?.message ?? messageOf(issue, at) + chosen(issue, object) + meant,
    keys,
    ...(unknown === undefined ? {} : { unknown }),
  };
}

/** Of a list whose items have names of their own, the first that has another's. */
function twiceIn(issue: z.core.$ZodIssue): { index: number; message: string } | undefined {
  if (issue.code !== "custom" || issue.message !== NOT_UNIQUE || !Array.isArray(issue.input)) return undefined;
  const names = (issue.input as { name: string }[]).map(({ name }) => name);
  const index = names.findIndex((name, i) => names.indexOf(name) < i);
  return index < 0
    ? undefined
    : { index, message: `another one before it is called "${names[index]}"; give each its own name` };
}

/** Of choices, those that were made: too many, or one that YAML reads as null. */
function chosen(issue: z.core.$ZodIssue, object: unknown): string {
  const choices = choicesOf(issue);
  if (choices === undefined) return "";
  const written = writtenAt(issue, object);
  const made = choices.filter((name) => Object.hasOwn(written, name));
  const empty = made.filter((name) => written[name] === null);
  const set = made.filter((name) => !empty.includes(name));
  if (set.length > 1) return `, not ${set.join(" and ")}`;
  return empty.map((name) => `; "${name}" is empty, as if it were not there: write ${name}: {}`).join("");
}

type Fields = Readonly<Record<PropertyKey, unknown>>;

const choicesOf = (issue: z.core.$ZodIssue): readonly string[] | undefined =>
  issue.code === "custom" ? (issue.params?.["choices"] as readonly string[] | undefined) : undefined;

const writtenAt = ({ path }: z.core.$ZodIssue, object: unknown): Fields =>
  (path.reduce<unknown>((at, key) => (at as Fields)[key], object) ?? {}) as Fields;

/** `spec.pipeline.nodes[hot].filter`: items are shown by name where they have one. */
function pathOf(path: readonly PropertyKey[], object: unknown): string {
  let text = "";
  let at = object;
  for (const key of path) {
    const inside = (at as Readonly<Record<PropertyKey, unknown>> | undefined)?.[key];
    const name = (inside as { name?: unknown } | null | undefined)?.name;
    if (typeof key === "number") text += `[${typeof name === "string" ? name : key}]`;
    else text += text === "" ? String(key) : `.${String(key)}`;
    at = inside;
  }
  return text;
}

function messageOf(issue: z.core.$ZodIssue, at: z.core.$ZodType | undefined): string {
  switch (issue.code) {
    case "unrecognized_keys":
      return `unknown field ${issue.keys.map((k) => `"${k}"`).join(", ")}`;
    case "invalid_type":
      return typeMessage(issue, at);
    case "invalid_value":
      return `must be ${issue.values.map((v) => String(v)).join(" or ")}`;
    case "too_small":
      return `must ${bounded(issue.origin, `at least ${issue.minimum}`)}`;
    case "too_big":
      return `must ${bounded(issue.origin, `at most ${issue.maximum}`)}`;
    default:
      return issue.message;
  }
}

function typeMessage({ input, expected }: z.core.$ZodIssueInvalidType, at: z.core.$ZodType | undefined): string {
  if (input === undefined) return "is required";
  const pattern = patternMessage(at);
  const wrong = `${pattern ?? `must be ${article(expected)}`}, not ${kindOf(input)}`;
  return expected === "string" && pattern === undefined ? wrong + quoted(input) : wrong;
}

/** YAML takes a text without quotes for what it looks like. */
function quoted(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return `; write "${value}", in quotes`;
  return typeof value === "object" ? "; a text that begins with { or [ needs quotes" : "";
}

const article = (type: string): string => {
  const name = type === "record" ? "object" : type === "int" ? "integer" : type;
  return `${/^[aeio]/.test(name) ? "an" : "a"} ${name}`;
};

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return article(typeof value);
}

function bounded(origin: string, bound: string): string {
  const one = bound.endsWith(" 1") ? "" : "s";
  if (origin === "array") return `have ${bound} item${one}`;
  if (origin === "string") return `have ${bound} character${one}`;
  return `be ${bound}`;
}
