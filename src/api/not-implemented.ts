import type { KindName } from "./group.ts";
import { IMPLEMENTED } from "./implemented.ts";
import type { Support } from "./implemented.ts";
import type { Problem } from "./problem.ts";

interface Place {
  /** Path in the table: `pipeline.nodes[].filter`. */
  readonly row: string;
  /** Path for the user: `spec.pipeline.nodes[hot].filter`. */
  readonly shown: string;
}

/** Every field of a valid spec that this version does not run. Empty means: nothing written there is ignored. */
export function notImplemented(kind: KindName, spec: object): Problem[] {
  const found: Problem[] = [];
  visit(IMPLEMENTED[kind], spec, { row: "", shown: "spec" }, found);
  return found;
}

type Table = Readonly<Record<string, Support>>;

function visit(table: Table, value: unknown, place: Place, found: Problem[]): void {
  if (value === undefined) return;
  const support = table[place.row];
  const refusal = refusalOf(support, value);
  if (refusal !== undefined) found.push(problem(place.shown, refusal));
  else if (typeof value === "object" && value !== null) descend(table, value, place, found);
  else if (support === undefined && !coveredAbove(table, place.row))
    found.push(problem(place.shown, "this version does not know the field"));
}

function refusalOf(support: Support | undefined, value: unknown): string | undefined {
  if (typeof support === "string") return support;
  if (typeof support !== "object" || !["string", "number", "boolean"].includes(typeof value)) return undefined;
  return support.refused[String(value)];
}

function descend(table: Table, value: object, place: Place, found: Problem[]): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      const label = (item as { name?: string } | null)?.name ?? String(i);
      visit(table, item, { row: `${place.row}[]`, shown: `${place.shown}[${label}]` }, found);
    }
    return;
  }
  for (const [key, child] of Object.entries(value)) {
    const row = place.row === "" ? key : `${place.row}.${key}`;
    visit(table, child, { row, shown: `${place.shown}.${key}` }, found);
  }
}

/** Whether a row above says that everything below it runs. */
export function coveredAbove(table: Table, row: string): boolean {
  for (let at = parent(row); at !== ""; at = parent(at)) if (table[at] !== undefined) return true;
  return false;
}

function parent(row: string): string {
  if (row.endsWith("[]")) return row.slice(0, -2);
  const dot = row.lastIndexOf(".");
  return dot < 0 ? "" : row.slice(0, dot);
}

const problem = (path: string, message: string): Problem => ({ code: "SPEC_NOT_IMPLEMENTED", path, message });
