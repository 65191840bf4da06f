import type { PlanSink } from "../plan.ts";
import type { At, ChainWriter } from "./chain.ts";
import { keySource } from "./key-source.ts";
import { bytesOf } from "./serializer.ts";

type Exchange = NonNullable<PlanSink["exchange"]>;

/**
 * Sends a record to the worker of its key: the bytes of the key are those that its shard is the hash of. A record whose
 * key fails is the reader's, as if it had come there.
 */
export function exchangeSource(chain: ChainWriter, sink: PlanSink, of: { exchange: Exchange; at: At }): string {
  const { exchange, at } = of;
  const c = `C${chain.index(sink.node)}`;
  const declared: string[] = [];
  const keys = { buffer: "rec.key", start: "rec.keyStart", end: "rec.keyEnd" };
  const keyed: At = exchange.variable === "event" ? at : { ...at, variable: exchange.variable };
  const { anyValue } = exchange;
  const step = keySource(chain, sink.key ?? "null", { at: keyed, keys, declared, anyValue });
  const bytes = bytesOf(at);
  const then = `${bytes.made}
rec.value = ${bytes.buffer}; rec.start = ${bytes.start}; rec.end = ${bytes.end};
rec.ts = ts; S${chain.index(sink.node)}.append(rec); ${c}.out++;`;
  return `{ ${c}.in++;\n${chain.guarded({ name: exchange.reader, onError: sink.onError }, at, { declared, step }, then)} }`;
}
