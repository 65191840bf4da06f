import type { ProgramOptions } from "../program.ts";
import type { RecordContext } from "./author.ts";
import { Emissions, refuseReturned } from "./emissions.ts";
import { thrown } from "./function-failure.ts";
import type { FunctionFailure } from "./function-failure.ts";
import type { LoadedFunction } from "./loaded-function.ts";
import { functionOf } from "./process-node.ts";
import type { RecordProcessNode } from "./process-node.ts";

/** A process node without a key: its function runs for each record and keeps nothing. */
export class RecordProcess {
  readonly emissions: Emissions;
  private readonly fn: LoadedFunction;
  private readonly node: string;
  private readonly context: { timestamp: number } & RecordContext;

  constructor(node: RecordProcessNode, options: ProgramOptions) {
    this.fn = functionOf(node, options);
    this.node = node.name;
    this.emissions = new Emissions(node.outputs);
    const { emissions } = this;
    this.context = {
      node: node.name,
      parameters: options.parameters,
      timestamp: 0,
      emit: (record, output) => emissions.add(record, output),
    };
  }

  /** Runs the function on an event of its own; what it gave is then in `emissions`. */
  run(event: unknown, timestamp: number): FunctionFailure | undefined {
    this.emissions.clear();
    this.context.timestamp = timestamp;
    let returned: unknown;
    try {
      returned = this.fn.onRecord(event, this.context);
    } catch (e) {
      return thrown(this.fn, e);
    }
    if (returned !== undefined) refuseReturned(this.fn, this.node, returned);
    return undefined;
  }
}
