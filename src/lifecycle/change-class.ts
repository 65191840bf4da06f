/** What a change of a spec field costs. The longest matching path wins. `weir diff` prints the class. */
export type ChangeClass = "InPlace" | "Rescale" | "Relaunch" | "Forbidden";

export const CHANGE_CLASSES: Readonly<Record<string, ChangeClass>> = {
  engine: "Forbidden",
  maxParallelism: "Forbidden",
  desiredState: "InPlace",
  parallelism: "Rescale",
  pipeline: "Relaunch",
  "pipeline.tests": "InPlace",
  flink: "Relaunch",
  definitionRef: "Relaunch",
  parameters: "Relaunch",
  checkpoint: "Relaunch",
  savepoint: "InPlace",
  state: "Relaunch",
  startFrom: "InPlace",
  stop: "InPlace",
  upgrade: "InPlace",
  restart: "InPlace",
  slo: "InPlace",
  autoscale: "InPlace",
  controlPolicy: "InPlace",
  deletion: "InPlace",
  worker: "Relaunch",
};

const rank: readonly ChangeClass[] = ["InPlace", "Rescale", "Relaunch", "Forbidden"];

export interface FieldChange {
  /** Dotted path of the changed field, as deep as the table has a row for. */
  readonly path: string;
  readonly class: ChangeClass;
}

type Json = Readonly<Record<string, unknown>>;

/** Compares two effective specs field by field of the table. */
export function changesBetween(before: Json, after: Json): readonly FieldChange[] {
  return Object.keys(CHANGE_CLASSES)
    .filter((path) => differs(pick(before, path), pick(after, path), path))
    .map((path) => ({ path, class: CHANGE_CLASSES[path] ?? "Relaunch" }));
}

/** The dearest class among changes; InPlace when there are none. */
export function dearest(changes: readonly FieldChange[]): ChangeClass {
  return changes.reduce<ChangeClass>(
    (worst, c) => (rank.indexOf(c.class) > rank.indexOf(worst) ? c.class : worst),
    "InPlace",
  );
}

/** The fields of a spec that decide what runs: two specs with equal parts need no relaunch. */
export function relaunchPart(spec: Json): Json {
  const part: Record<string, unknown> = {};
  for (const [path, cls] of Object.entries(CHANGE_CLASSES)) {
    if (cls === "Relaunch" && !path.includes(".")) part[path] = without(pick(spec, path), path);
  }
  return part;
}

function pick(value: Json, path: string): unknown {
  return path.split(".").reduce<unknown>((v, key) => (isObject(v) ? v[key] : undefined), value);
}

/** Leaves out what deeper rows of the table judge by themselves. */
function without(value: unknown, path: string): unknown {
  if (!isObject(value)) return value;
  const own = Object.entries(value).filter(([key]) => CHANGE_CLASSES[`${path}.${key}`] === undefined);
  return Object.fromEntries(own);
}

function differs(a: unknown, b: unknown, path: string): boolean {
  return canonical(without(a, path)) !== canonical(without(b, path));
}

/** JSON with sorted keys, so that equal values have equal text. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(",")}}`;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
