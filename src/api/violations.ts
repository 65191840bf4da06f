import type { z } from "zod";
import { controlPolicy } from "./control-policy.schema.ts";
import type { KindName } from "./group.ts";
import { maintenanceWindow } from "./maintenance-window.schema.ts";
import { toOpenApi, type OpenApiSchema } from "./openapi.ts";
import type { Problem } from "./problem.ts";
import { streamingJob } from "./streaming-job.schema.ts";
import { suggestion } from "./suggestion.ts";

const SCHEMAS: Record<KindName, z.ZodType> = {
  StreamingJob: streamingJob,
  ControlPolicy: controlPolicy,
  MaintenanceWindow: maintenanceWindow,
};

/** What of an object breaks its schema: the verdict of the API server with strict field validation, without one. */
export function violations(kind: KindName, object: unknown): Problem[] {
  const result = SCHEMAS[kind].safeParse(withoutNulls(object), { reportInput: true });
  return result.success ? [] : result.error.issues.flatMap(oneByOne).map((issue) => problemOf(kind, issue, object));
}

/** Each unknown field has a place of its own. */
const oneByOne = (issue: z.core.$ZodIssue): z.core.$ZodIssue[] =>
  issue.code === "unrecognized_keys" ? issue.keys.map((key) => ({ ...issue, keys: [key] })) : [issue];

/** The API server drops fields that are null before it validates; items of lists it keeps. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(kept.map(([key, child]) => [key, withoutNulls(child)]));
}

function problemOf(kind: KindName, issue: z.core.$ZodIssue, object: unknown): Problem {
  const [unknown] = issue.code === "unrecognized_keys" ? issue.keys : [];
  const meant = unknown === undefined ? "" : suggestion(unknown, fieldsAt(kind, issue.path));
  return {
    code: "SPEC_INVALID",
    path: pathOf(issue.path, object),
    message: messageOf(issue) + chosen(issue, object) + meant,
    keys: issue.path,
    ...(unknown === undefined ? {} : { unknown }),
  };
}

const structures = new Map<KindName, OpenApiSchema>();

/** Names of the fields that the schema has at a place. */
function fieldsAt(kind: KindName, path: readonly PropertyKey[]): readonly string[] {
  const whole = structures.get(kind) ?? toOpenApi(SCHEMAS[kind]);
  structures.set(kind, whole);
  const at = path.reduce<OpenApiSchema | undefined>(
    (schema, key) =>
      typeof key === "number" ? schema?.items : (schema?.properties?.[String(key)] ?? schema?.additionalProperties),
    whole,
  );
  return Object.keys(at?.properties ?? {});
}

/** Of choices, those that were made: too many, or one that YAML reads as null. */
function chosen(issue: z.core.$ZodIssue, object: unknown): string {
  const choices = issue.code === "custom" ? (issue.params?.["choices"] as readonly string[] | undefined) : undefined;
  if (choices === undefined) return "";
  const written = (issue.path.reduce<unknown>((at, key) => (at as Fields)[key], object) ?? {}) as Fields;
  const made = choices.filter((name) => Object.hasOwn(written, name));
  const empty = made.filter((name) => written[name] === null);
  const set = made.filter((name) => !empty.includes(name));
  if (set.length > 1) return `, not ${set.join(" and ")}`;
  return empty.map((name) => `; "${name}" is empty, as if it were not there: write ${name}: {}`).join("");
}

type Fields = Readonly<Record<PropertyKey, unknown>>;

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

function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "unrecognized_keys":
      return `unknown field ${issue.keys.map((k) => `"${k}"`).join(", ")}`;
    case "invalid_type":
      return typeMessage(issue);
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

function typeMessage(issue: z.core.$ZodIssueInvalidType): string {
  return issue.input === undefined ? "is required" : `must be ${article(issue.expected)}, not ${kindOf(issue.input)}`;
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
  if (origin === "array") return `have ${bound} items`;
  if (origin === "string") return `have ${bound} characters`;
  return `be ${bound}`;
}
