import { evaluate } from "../../expression/interpret.ts";
import { parseExpression } from "../../expression/parse.ts";
import { NO_ROW } from "../joins/row.ts";
import type { RowAt } from "../joins/row.ts";
import type { LookupNode, LookupQueue } from "../lookups/lookup-queue.ts";
import { joinGive } from "./join.ts";
import type { AroundPairs } from "./join.ts";
import { fail, guarded } from "./operators.ts";
import type { Push } from "./operators.ts";
import { outRecord, requireKey } from "./record-values.ts";

interface Around extends AroundPairs {
  readonly node: LookupNode;
}

/** A record into a lookup's queue; and what becomes of it there. */
export function lookupPush(of: Around, queue: LookupQueue): Push {
  const { node, stage, parameters } = of;
  const key = parseExpression(node.key, { variables: { left: "dyn", params: "dyn" } });
  const give = joinGive(of);
  const rowOf = (row: RowAt) => (row === NO_ROW ? undefined : { bytes: row.bytes.subarray(row.start, row.end) });
  queue.behind = {
    found: (left, right, split, ts) => give({ left: rowOf(left), right: rowOf(right), ts }, split),
    failed: (left, problem, shard, ts) => {
      const raw = left.bytes.subarray(left.start, left.end);
      const value: unknown = JSON.parse(raw.toString());
      fail(stage, { value, raw, ts, shard, where: `at ${ts}` }, { code: "LOOKUP_FAILED", cause: problem });
    },
  };
  return (event) => {
    const found = guarded(stage, event, () => requireKey(evaluate(key, { left: event.value, params: parameters })));
    if (found !== undefined) queue.append(outRecord(event, found.value), event.shard);
  };
}
