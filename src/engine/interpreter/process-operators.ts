import { copied } from "../functions/json-value.ts";
import type { KeyedProcess } from "../functions/keyed-process.ts";
import type { RecordProcessNode, KeyedProcessNode } from "../functions/process-node.ts";
import { RecordProcess } from "../functions/record-process.ts";
import type { ProgramOptions } from "../program.ts";
import { fail, guarded } from "./operators.ts";
import type { Flowing, Push, Stage } from "./operators.ts";
import { changed } from "./record-values.ts";

export function recordProcess(stage: Stage, node: RecordProcessNode, options: ProgramOptions): Push {
  const process = new RecordProcess(node, options);
  return (event) => {
    const failure = process.run(copied(event.value), event.ts);
    if (failure !== undefined) return fail(stage, event, { code: "FUNCTION_FAILED", cause: failure.detail });
    for (const { output, value } of process.emissions.list) outputOf(stage, node, output)(changed(event, value));
  };
}

interface Keyed {
  readonly node: KeyedProcessNode;
  readonly process: KeyedProcess;
  readonly place: (event: Flowing) => { readonly shard: number; readonly key: string };
}

export function keyedProcess(stage: Stage, { node, process, place }: Keyed): Push {
  process.emit = (output, value, ts, shard) =>
    outputOf(stage, node, output)({ value, raw: undefined, ts, shard, where: `of the result at ${ts}` });
  return (event) => {
    const at = guarded(stage, event, () => place(event))?.value;
    if (at === undefined) return;
    const failure = process.record(at.shard, at.key, copied(event.value), event.ts);
    if (failure !== undefined) return fail(stage, event, { code: "FUNCTION_FAILED", cause: failure.detail });
    process.given();
  };
}

const outputOf = (stage: Stage, node: RecordProcessNode | KeyedProcessNode, output: number): Push =>
  stage.output(["out", ...node.outputs][output] as string);
