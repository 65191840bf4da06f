import { canonicalJson } from "../../engine/canonical-json.ts";
import { NO_ROWS } from "../../engine/lookups/lookup-port.ts";
import type { LookupPort } from "../../engine/lookups/lookup-port.ts";
import type { Plan } from "../../engine/plan.ts";
import type { PipelineTest } from "./run-case.ts";

/** What a test's lookups find: `{key, row}` under the lookup's name, and several with one key where it has several rows. */
export function givenRows(plan: Plan, { input }: PipelineTest): ReadonlyMap<string, LookupPort> {
  const lookups = plan.nodes.filter((node) => node.kind === "lookup");
  return new Map(lookups.map(({ name }) => [name, portOf(input[name] ?? [])]));
}

function portOf(given: readonly Readonly<Record<string, unknown>>[]): LookupPort {
  const byKey = Map.groupBy(given, ({ key }) => canonicalJson(key));
  return {
    ask: (key) => {
      const found = byKey.get(canonicalJson(JSON.parse(key)));
      if (found === undefined) return NO_ROWS;
      return { state: "found", rows: found.map(({ row }) => Buffer.from(JSON.stringify(row))), problem: "" };
    },
  };
}
