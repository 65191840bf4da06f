import { isRank, rankProblem } from "../accumulators/top-list.ts";
import { canonicalJson } from "../canonical-json.ts";
import type { Keying } from "../plan.ts";
import { usesProcessingTime } from "../processing-time.ts";
import type { ProcessingTime } from "../processing-time.ts";
import { recordFailure } from "../record-failure.ts";
import { argumentProblem, takesArgument } from "../windows/argument.ts";
import type { DedupNode, KeyedAggregateNode, TopNode, WindowNode } from "../windows/cells.ts";
import { overflowProblem } from "../windows/sum.ts";
import { overflowed, resultsOf } from "./naive-entry.ts";
import type { NaiveRow } from "./naive-state.ts";
import type { AggregateState } from "./naive-states.ts";
import type { NaiveTable } from "./naive-table.ts";
import { addRanked } from "./naive-top.ts";
import { guarded } from "./operators.ts";
import type { Flowing, Push, Stage } from "./operators.ts";
import { requireKey } from "./record-values.ts";
import type { Expression } from "./record-values.ts";

export type AggregateNode = WindowNode | KeyedAggregateNode;

/** An operator with a state by key, and its surroundings. */
export interface AroundKeys<Node, State> {
  readonly stage: Stage;
  readonly node: Node;
  readonly state: State;
  readonly expression: (text: string) => Expression;
  readonly shardOf: (node: { readonly keying: Keying }, event: Flowing, key: string) => number;
}

export function aggregatePush(
  { stage, node, state, expression, shardOf }: AroundKeys<AggregateNode, AggregateState>,
  time: ProcessingTime,
): Push {
  const key = expression(node.key);
  const args = node.aggregates.map((a) => (a.arg === null ? () => null : expression(a.arg)));
  return (event) => {
    const added = guarded(stage, event, () => {
      const values = args.map((run) => run(event.value));
      node.aggregates.forEach(({ name, fn }, i) => {
        if (!takesArgument(fn, values[i])) throw new TypeError(argumentProblem(name, fn, values[i]));
      });
      const ts = usesProcessingTime(node) ? time.now : event.ts;
      const record = { ts, key: requireKey(key(event.value)), args: values };
      const shard = shardOf(node, event, record.key);
      return { shard, rows: state.add(shard, record) };
    })?.value;
    if (added === undefined) return;
    if (added.rows === "late") {
      stage.counters.late++;
      stage.output("late")(event);
    } else for (const row of added.rows) giveRow(stage, { node, state, row }, added.shard);
  };
}

export function dedupPush({ stage, node, state, expression, shardOf }: AroundKeys<DedupNode, NaiveTable>): Push {
  const key = expression(node.key);
  const text = node.anyValue ? canonicalJson : requireKey;
  return (event) => {
    const found = guarded(stage, event, () => text(key(event.value)));
    if (found === undefined) return;
    const shard = shardOf(node, event, found.value);
    if (state.has(shard, found.value)) return;
    state.change(shard, { key: found.value, ts: event.ts }, () => undefined);
    stage.output("out")(event);
  };
}

export function topPush({ stage, node, state, expression, shardOf }: AroundKeys<TopNode, NaiveTable>): Push {
  const key = expression(node.key);
  const by = expression(node.by);
  return (event) => {
    const { ts, value } = event;
    const added = guarded(stage, event, () => {
      const ranked = by(value);
      if (!isRank(ranked)) throw new TypeError(rankProblem(ranked));
      const name = requireKey(key(value));
      const shard = shardOf(node, event, name);
      return { name, shard, rows: addRanked(state, node, { shard, key: name, ts, by: ranked, value }) };
    })?.value;
    if (added === undefined) return;
    for (const row of added.rows) {
      const fields = { [node.keyField]: JSON.parse(added.name) as unknown, ...row };
      const where = `of the result at ${ts}`;
      stage.output("out")({ value: fields, raw: undefined, ts, shard: added.shard, where });
    }
  };
}

/** Passes a result on, unless a sum that was merged for it overflowed. */
export function giveRow(
  stage: Stage,
  of: { node: AggregateNode; state: AggregateState; row: NaiveRow },
  shard: number,
): void {
  const { node, state, row } = of;
  const wrong = overflowed(state.layout, row.entry);
  if (wrong !== undefined) {
    stage.counters.errors++;
    const failure = { code: "EXPRESSION_FAILED", cause: overflowProblem(wrong) } as const;
    if (stage.onError === "Fail") throw recordFailure(node.name, row.where, failure);
    return;
  }
  const fields = [[node.keyField, JSON.parse(row.entry.key)], ...row.window, ...resultsOf(state.layout, row.entry)];
  const value = Object.fromEntries(fields as [string, unknown][]);
  stage.output("out")({ value, raw: undefined, ts: row.ts, shard, where: row.where });
}
