import type { KeyedProcessNode, RecordProcessNode } from "../functions/process-node.ts";
import type { At, ChainWriter, Fail } from "./chain.ts";
import { leaf, readSource } from "./shape.ts";
import { keyed } from "./table-source.ts";

/** A user's function between two nodes. It gets an event of its own, because others may read the same one. */
const ownEvent = (at: At): string => `copied(${readSource(at.shape, [])})`;

export function processSource(chain: ChainWriter, node: RecordProcessNode, at: At): string {
  const n = chain.id();
  const fn = `F${chain.index(node.name)}`;
  const failed = `x${n}`;
  const step = (fail: Fail): string =>
    `${failed} = ${fn}.run(${ownEvent(at)}, ts); if (${failed} !== undefined) ${fail(failed)}`;
  const given = (value: string): string => outputsSource(chain, node, { ...at, ...valueAt(value) });
  const then = `for (const given${n} of ${fn}.emissions.list) {
  const m${n} = given${n}.value;
  switch (given${n}.output) {\n${given(`m${n}`)}\n}
}`;
  return chain.guarded(node, at, { declared: [failed], step }, then);
}

export function keyedProcessSource(chain: ChainWriter, node: KeyedProcessNode, at: At): string {
  const { n, keys, declared, step } = keyed(chain, node, at);
  const fn = `W${chain.index(node.name)}`;
  const failed = `x${n}`;
  declared.push(failed);
  const run = (fail: Fail): string => `${step(fail)}
${failed} = ${fn}.record(shard${n}, ${keys.buffer}.toString("utf8", ${keys.start}, ${keys.end}), ${ownEvent(at)}, ts);
if (${failed} !== undefined) ${fail(failed)}`;
  return `{ ${chain.guarded(node, at, { declared, step: run }, `${fn}.given();`)} }`;
}

/** The chain below a keyed process: what its function gives goes through it, for a record and for a timer. */
export function emitSource(chain: ChainWriter, node: KeyedProcessNode): string {
  const w = chain.index(node.name);
  const at: At = { ...valueAt("m"), where: "R.resultAt(ts)" };
  return `W${w}.emit = function emit${w}(output, m, ts, split) {
  const b = R.key;
  let w = 0;
  switch (output) {\n${outputsSource(chain, node, at)}\n}
};`;
}

const valueAt = (value: string): Pick<At, "shape" | "raw" | "row"> => ({
  shape: { kind: "value", leaf: leaf(value) },
  raw: undefined,
  row: undefined,
});

function outputsSource(chain: ChainWriter, node: RecordProcessNode | KeyedProcessNode, at: At): string {
  return ["out", ...node.outputs]
    .map((output, i) => `case ${i}: {\n${chain.readers(node.name, output, at)}\n} break;`)
    .join("\n");
}
