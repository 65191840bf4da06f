import { evaluate } from "../../expression/interpret.ts";
import { parseExpression } from "../../expression/parse.ts";
import type { BroadcastNode } from "../broadcast/broadcast-table.ts";
import type { Side } from "../joins/row.ts";
import { joinGive } from "./join.ts";
import type { AroundPairs } from "./join.ts";
import { guarded } from "./operators.ts";
import type { Push } from "./operators.ts";
import { requireKey } from "./record-values.ts";

/** Both sides of a broadcast, by side: what comes to meet the table, and what it is made of. */
export function broadcastPushes(of: AroundPairs & { readonly node: BroadcastNode }): readonly [Push, Push] {
  const { node, stage, parameters: params } = of;
  const table = new Map<string, { readonly bytes: Buffer }>();
  const give = joinGive(of);
  const push = (side: Side, then: (key: string, ...event: Parameters<Push>) => void): Push => {
    const variable = side === 0 ? "left" : "right";
    const key = parseExpression(node.keys[side], { variables: { [variable]: "dyn", params: "dyn" } });
    return (event) => {
      const found = guarded(stage, event, () => requireKey(evaluate(key, { [variable]: event.value, params })));
      if (found !== undefined) then(found.value, event);
    };
  };
  const bytesOf = ({ raw, value }: Parameters<Push>[0]) => ({ bytes: Buffer.from(raw ?? JSON.stringify(value)) });
  return [
    push(0, (key, event) => {
      const right = key === "null" ? undefined : table.get(key);
      if (right !== undefined || node.joinType === "Left")
        give({ left: bytesOf(event), right, ts: event.ts }, event.shard);
    }),
    push(1, (key, event) => void table.set(key, bytesOf(event))),
  ];
}
