import { parseDuration } from "../../api/duration.ts";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import type { Keying, PlanNode, PlanSource } from "../plan.ts";
import type { VariableType } from "../../expression/value-type.ts";
import { checkExpression } from "./expressions.ts";
import type { CheckedNode } from "./expressions.ts";
import { isWithin, plainPath } from "./field-path.ts";
import { joinOperation } from "./joins.ts";
import { keyedOperation } from "./keyed-operations.ts";
import { mapFields } from "./map-fields.ts";
import type { GraphNode } from "./stream-graph.ts";

/** What is known of the records that a node reads, and who takes the errors of its expressions. */
interface Known {
  readonly event: VariableType | undefined;
  /** The schemas of its inputs. */
  readonly sides: readonly (VariableType | undefined)[];
  readonly report: CheckedNode["report"];
}

/** The physical operator of a node between sources and sinks. */
export function operation(node: GraphNode, keying: Keying | undefined, { event, sides, report }: Known): PlanNode {
  const { spec, name, inputs } = node;
  const at = { name, event, report };
  const base = { name, inputs, onError: spec.onError ?? "Fail" } as const;
  if (spec.filter !== undefined)
    return { ...base, kind: "filter", condition: checkExpression(at, spec.filter, "bool") };
  if (spec.map !== undefined) return { ...base, kind: "map", fields: mapFields(at, "map", spec.map) };
  if (spec.union !== undefined) return { ...base, kind: "union" };
  if (spec.branch !== undefined) {
    const { cases, otherwise } = spec.branch;
    const checked = cases.map((c) => ({ name: c.name, when: checkExpression(at, c.when, "bool") }));
    return { ...base, kind: "branch", cases: checked, otherwise: otherwise ?? null };
  }
  const { join } = spec;
  if (join !== undefined) return { ...base, ...joinOperation({ ...spec, join }, { keying, sides, report }) };
  const simple = recordOperation(spec, at);
  if (simple !== undefined) return { ...base, ...simple };
  return { ...base, ...keyedOperation(spec, keying ?? "local", at) };
}

/** Operations that take one record and give some. */
function recordOperation(spec: PipelineNode, at: CheckedNode) {
  if (spec.select !== undefined) return { kind: "select", paths: fieldPaths(at.name, spec.select) } as const;
  if (spec.drop !== undefined) return { kind: "drop", paths: fieldPaths(at.name, spec.drop) } as const;
  if (spec.flatMap !== undefined)
    return { kind: "flatMap", expression: checkExpression(at, spec.flatMap, "list") } as const;
  if (spec.peek !== undefined) {
    const { every = 1, message } = spec.peek;
    return { kind: "peek", every, message: message === undefined ? null : checkExpression(at, message) } as const;
  }
  if (spec.rateLimit === undefined) return undefined;
  const { perSecond, burst = perSecond } = spec.rateLimit;
  return { kind: "rateLimit", perSecond, burst } as const;
}

function fieldPaths(node: string, fields: readonly string[]): string[][] {
  const paths = fields.map((field) => plainPath(field) ?? []);
  for (const [i, path] of paths.entries()) {
    const other = paths.find((p, k) => k !== i && isWithin(p, path));
    if (other !== undefined)
      throw new WeirError(
        "PIPELINE_INVALID",
        `node "${node}": event.${other.join(".")} is named already by event.${path.join(".")}; leave one out`,
      );
  }
  return paths;
}

/** Event time and declared key of a source; the connector part comes from `endpoints.ts`. */
export function sourceFields(spec: PipelineNode): Pick<PlanSource, "eventTime" | "partitionedBy" | "onError"> {
  const time = spec.eventTime;
  return {
    eventTime:
      time === undefined
        ? null
        : {
            field: time.field === undefined ? null : (plainPath(time.field) ?? null),
            maxOutOfOrdernessMs: parseDuration(time.maxOutOfOrderness ?? "0"),
            idleTimeoutMs: parseDuration(time.idleTimeout ?? "0"),
          },
    partitionedBy: spec.partitionedBy === undefined ? null : (plainPath(spec.partitionedBy) ?? null),
    onError: spec.onError ?? "Fail",
  };
}
