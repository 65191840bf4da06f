import { evaluate } from "../../expression/interpret.ts";
import { parseExpression } from "../../expression/parse.ts";
import type { JoinNode, PairNode } from "../joins/join-node.ts";
import type { Side } from "../joins/row.ts";
import { variablePath } from "../planner/field-path.ts";
import type { NaiveJoin, NaiveJoinRow } from "./naive-join.ts";
import { guarded } from "./operators.ts";
import type { Flowing, Push, Stage } from "./operators.ts";
import { place, requireKey } from "./record-values.ts";

/** What gives pairs, with its surroundings. */
export interface AroundPairs {
  readonly node: PairNode;
  readonly stage: Stage;
  readonly parameters: Readonly<Record<string, string>>;
}

interface Around extends AroundPairs {
  readonly node: JoinNode;
  readonly state: NaiveJoin;
}

/** A side without a row is undefined. */
export interface PairOfRows {
  readonly left: Pick<NaiveJoinRow, "bytes"> | undefined;
  readonly right: Pick<NaiveJoinRow, "bytes"> | undefined;
  readonly ts: number;
}

const VARIABLES = ["left", "right"] as const;
const TYPES = { left: "dyn", right: "dyn", params: "dyn" } as const;

/** One side of a join: takes records in, and gives what they meet. */
export function joinPush(of: Around, side: Side, shardOf: (event: Flowing, key: string) => number): Push {
  const { node, state, stage } = of;
  const key = parseExpression(node.keys[side], { variables: TYPES });
  const give = joinGive(of);
  return (event) => {
    const bindings = { [VARIABLES[side]]: event.value, params: of.parameters };
    const found = guarded(stage, event, () => requireKey(evaluate(key, bindings)));
    if (found === undefined) return;
    const shard = shardOf(event, found.value);
    const bytes = event.raw ?? Buffer.from(JSON.stringify(event.value));
    const row: NaiveJoinRow = { side, ts: event.ts, key: found.value, bytes: Buffer.from(bytes), matched: false };
    const pairs = state.add(shard, row);
    if (pairs === "late") {
      stage.counters.late++;
      stage.output("late")(event);
    } else for (const pair of pairs) give(pair, shard);
  };
}

/** What happens to a result. */
export function joinGive({ node, stage, parameters }: AroundPairs): (pair: PairOfRows, shard: number) => void {
  const fields = node.select?.map(({ path, expression }) => ({ path, run: selected(expression, parameters) }));
  return (pair, shard) => {
    const value = { left: valueOf(pair.left), right: valueOf(pair.right) };
    const event = { value, raw: undefined, ts: pair.ts, shard, where: `of the pair at ${pair.ts}` };
    const built = guarded(stage, event, () => {
      if (fields === undefined) return value;
      const result = {};
      for (const { path, run } of fields) place(result, path, run(pair));
      return result;
    });
    if (built !== undefined) stage.output("out")({ ...event, value: built.value });
  };
}

/** A field that is only copied is null where its side has no row, as in SQL; what is calculated goes by CEL. */
function selected(text: string, params: Readonly<Record<string, string>>): (pair: PairOfRows) => unknown {
  const expression = parseExpression(text, { variables: TYPES });
  const side = variablePath(text)?.[0];
  return (pair) => {
    if ((side === "left" || side === "right") && pair[side] === undefined) return null;
    return evaluate(expression, { left: valueOf(pair.left), right: valueOf(pair.right), params });
  };
}

const valueOf = (row: Pick<NaiveJoinRow, "bytes"> | undefined): unknown =>
  row === undefined ? null : (JSON.parse(row.bytes.toString()) as unknown);
