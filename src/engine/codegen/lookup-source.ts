import type { LookupNode } from "../lookups/lookup-queue.ts";
import type { At, ChainWriter } from "./chain.ts";
import { pairSource, sideSource } from "./join-source.ts";
import { keySource } from "./key-source.ts";
import { ProjectedFields } from "./projected-fields.ts";
import { bytesOf } from "./serializer.ts";

/** One record into a lookup, with its key: the end of its chain. */
export function lookupSource(chain: ChainWriter, node: LookupNode, at: At): string {
  const n = chain.id();
  const keys = { buffer: `kb${n}`, start: `ks${n}`, end: `ke${n}` };
  const declared = [`${keys.buffer} = b`, `${keys.start} = 0`, `${keys.end} = 0`];
  const step = keySource(chain, node.key, { at: { ...at, variable: "left" }, keys, declared });
  const { made, buffer, start, end } = bytesOf(at);
  const then = `${made}
rec.key = ${keys.buffer}; rec.keyStart = ${keys.start}; rec.keyEnd = ${keys.end};
rec.value = ${buffer}; rec.start = ${start}; rec.end = ${end}; rec.ts = ts;
Q${chain.index(node.name)}.append(rec, split);`;
  return `{ ${chain.guarded(node, at, { declared, step }, then)} }`;
}

/** The chain below a lookup: for each row that was found, and for a record without an answer. */
export function answeredSource(chain: ChainWriter, node: LookupNode): string {
  const q = chain.index(node.name);
  return `${pairSource(chain, node)}
${failedSource(chain, node)}
Q${q}.behind = { found: pair${q}, failed: failed${q} };`;
}

function failedSource(chain: ChainWriter, node: LookupNode): string {
  const q = chain.index(node.name);
  const fields = new ProjectedFields("b");
  const at: At = {
    shape: { kind: "record", slot: fields.slot },
    raw: { buffer: "b", start: "start", end: "end" },
    where: "R.recordAt(ts)",
  };
  const dead = node.onError === "Dead" ? chain.readers(node.name, "dead", at) : "";
  const end =
    node.onError === "Fail" ? `throw R.unanswered(${JSON.stringify(node.name)}, R.recordAt(ts), problem);` : dead;
  return `function failed${q}(left, problem, split, ts) {
  const b = left.bytes, start = left.start, end = left.end;
  let p = 0, r = 0, w = 0;
  C${q}.errors++;
  ${fields.declared()}
  ${sideSource(fields, "left")}
  ${end}
}`;
}
