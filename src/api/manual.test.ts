import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { kinds } from "../../test/fixtures/api/corpus.ts";
import { schemaPlaces } from "../../test/fixtures/api/mistakes.ts";
import { CONDITIONS, REASONS } from "./conditions.ts";
import { objectSchema } from "./crd.ts";
import { DEFAULTS, RESTART_DEFAULTS } from "./effective-spec.ts";
import { KINDS } from "./group.ts";
import { IMPLEMENTED } from "./implemented.ts";
import { catalogue } from "../errors.ts";

const manual = (file: string): string =>
  readFileSync(join(import.meta.dirname, "../../docs", file), "utf8").replaceAll(/\s+/g, " ");
const page = (kind: keyof typeof KINDS): string => manual(`spec/v1alpha1/${KINDS[kind].plural}.md`);
const words = (text: string): Set<string> => new Set(text.match(/[A-Za-z0-9]+/g) ?? []);

/** Below these the fields are those of a pod, and Kubernetes' documentation has them. */
const KUBERNETES_OWN = /^worker\.(resources|env|volumeMounts|tolerations)(\[\])?\./;

describe("the manual", () => {
  it.each(kinds)("names every field of a %s", (kind) => {
    const known = words(page(kind));
    // What is refused as a whole is explained where it is implemented.
    const table = IMPLEMENTED[kind];
    const shown = schemaPlaces(objectSchema(kind))
      .map((id) => id.slice("spec.".length).replaceAll("{}", ""))
      .filter((row) => row !== "" && typeof table[row] !== "string" && !underRefused(row, table))
      .filter((row) => !KUBERNETES_OWN.test(row));
    const missing = shown.filter((row) => !known.has((row.split(".").at(-1) ?? "").replaceAll("[]", "")));
    expect(missing).toEqual([]);
  });

  it("names the defaults that are in force", () => {
    const text = page("StreamingJob");
    const rows: [string, unknown][] = [
      ...Object.entries(DEFAULTS.checkpoint).filter(([, value]) => typeof value !== "object"),
      ...Object.entries(RESTART_DEFAULTS.ExponentialBackoff),
      ...Object.entries(RESTART_DEFAULTS.FixedDelay),
      ...Object.entries(RESTART_DEFAULTS.FailureRate),
    ] as [string, unknown][];
    const wrong = rows.filter(
      ([field, value]) =>
        ![` \`${field}\` ${String(value)}`, `\`${field}\` | ${String(value)}`].some((t) => text.includes(t)),
    );
    expect(wrong).toEqual([]);
  });

  it("lists every condition and reason", () => {
    const known = words(manual("reference/conditions.md"));
    const all = [...Object.keys(CONDITIONS), ...Object.keys(REASONS), ...Object.values(catalogue).map((e) => e.reason)];
    expect(all.filter((word) => !known.has(word))).toEqual([]);
  });
});

function underRefused(row: string, table: Readonly<Record<string, unknown>>): boolean {
  const parents = row.split(".").map((_, i, parts) => parts.slice(0, i + 1).join("."));
  const rows = parents.flatMap((p) => [p, p.replace(/\[\]$/, "")]);
  return rows.some((r) => typeof table[r] === "string");
}
