import type { PlanBuffer } from "../plan.ts";
import type { At, ChainWriter } from "./chain.ts";
import { bytesOf } from "./serializer.ts";

/** Puts a record into the queue that ends its chain. */
export function bufferSource(chain: ChainWriter, buffer: PlanBuffer, at: At): string {
  const k = chain.index(buffer.node);
  const { made, buffer: bytes, start, end } = bytesOf(at);
  return `{ ${keySource(chain, buffer, at)}
${made}
rec.value = ${bytes}; rec.start = ${start}; rec.end = ${end}; rec.ts = ts; B${k}.append(rec, split); }`;
}

/** A record whose key fails is nobody's successor: its node says what happens to it. */
function keySource(chain: ChainWriter, { key, variable }: PlanBuffer, at: At): string {
  const none = "rec.key = undefined; rec.keyEnd = -1;";
  if (key === null) return none;
  const k = `k${chain.id()}`;
  const declared = [k];
  const value = chain.expression(key, variable === undefined ? at : { ...at, variable }, declared);
  return `let ${declared.join(", ")}; ${none} ${k} = ${value}; if (!(${k} instanceof Failure)) R.successorKey(rec, ${k});`;
}
