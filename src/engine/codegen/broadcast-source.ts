import type { BroadcastNode } from "../broadcast/broadcast-table.ts";
import type { Side } from "../joins/row.ts";
import type { At, ChainWriter } from "./chain.ts";
import { pairSource } from "./join-source.ts";
import { keySource } from "./key-source.ts";
import { bytesOf } from "./serializer.ts";

/** A record into the table, or to what the table has of its key. */
export function broadcastSource(chain: ChainWriter, node: BroadcastNode, at: At, side: Side): string {
  const n = chain.id();
  const t = `T${chain.index(node.name)}`;
  const keys = { buffer: `kb${n}`, start: `ks${n}`, end: `ke${n}` };
  const declared = [`${keys.buffer} = b`, `${keys.start} = 0`, `${keys.end} = 0`];
  const variable = side === 0 ? "left" : "right";
  const step = keySource(chain, node.keys[side], { at: { ...at, variable }, keys, declared });
  const { made, buffer, start, end } = bytesOf(at);
  const then = `${made}
{ const row = ${t}.row;
row.key = ${keys.buffer}; row.keyStart = ${keys.start}; row.keyEnd = ${keys.end};
row.bytes = ${buffer}; row.start = ${start}; row.end = ${end}; row.ts = ts; }
${t}.${side === 0 ? "meet(split)" : "keep()"};`;
  return `{ ${chain.guarded(node, at, { declared, step }, then)} }`;
}

/** The chain below a broadcast. */
export function metSource(chain: ChainWriter, node: BroadcastNode): string {
  const t = chain.index(node.name);
  return `${pairSource(chain, node)}\nT${t}.pair = pair${t};`;
}
