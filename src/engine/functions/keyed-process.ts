import { WeirError } from "../../errors.ts";
import type { Division } from "../keyed-state/division.ts";
import type { KeyedNode, KeyedSnapshot, NodeCounters, ProgramOptions } from "../program.ts";
import { recordFailure } from "../record-failure.ts";
import { stateSignature } from "../windows/cells.ts";
import type { KeyedContext } from "./author.ts";
import { Emissions, refuseReturned } from "./emissions.ts";
import { thrown } from "./function-failure.ts";
import { keyDivision } from "./entry-codec.ts";
import type { FunctionFailure } from "./function-failure.ts";
import type { DueAt, FunctionStore } from "./function-store.ts";
import { KeyCall } from "./key-call.ts";
import type { LoadedFunction } from "./loaded-function.ts";
import { functionOf } from "./process-node.ts";
import type { KeyedProcessNode } from "./process-node.ts";
import { stateAccess, timerAccess } from "./state-access.ts";
import { stateForm, unreadableForm } from "./state-form.ts";

/** Takes what a function gave: output (0 is the plain one), record, time and shard. */
export type Emit = (output: number, value: unknown, ts: number, shard: number) => void;

export interface KeyedProcessParts {
  readonly options: ProgramOptions;
  readonly store: FunctionStore;
  readonly counters: NodeCounters;
}

/** A process node with a key: its function runs for each record and each timer that is due, on the state of the key. */
export class KeyedProcess implements KeyedNode {
  readonly node: string;
  readonly stateVersion: number;
  readonly stateSignature: string;
  /** Where records go; the engine sets it before the first. */
  emit: Emit = () => undefined;
  private readonly emissions: Emissions;
  private readonly fn: LoadedFunction;
  private readonly keys: FunctionStore;
  private readonly counters: NodeCounters;
  private readonly fails: boolean;
  private readonly call: KeyCall;
  private readonly context: KeyedContext;

  constructor(node: KeyedProcessNode, { options, store, counters }: KeyedProcessParts) {
    this.node = node.name;
    this.fn = functionOf(node, options);
    this.stateVersion = this.fn.stateVersion;
    this.stateSignature = stateSignature(node);
    this.keys = store;
    this.counters = counters;
    this.fails = node.onError === "Fail";
    this.emissions = new Emissions(node.outputs);
    this.call = new KeyCall(store);
    this.context = contextOf(node.name, options.parameters, { call: this.call, emissions: this.emissions });
  }

  /** Runs the function on a record's event; `given` hands on what it gave. */
  record(shard: number, key: string, event: unknown, timestamp: number): FunctionFailure | undefined {
    this.call.begin({ shard, key }, timestamp, Number.NEGATIVE_INFINITY);
    return this.run(this.fn.onRecord, event);
  }

  private run(part: (subject: unknown, context: unknown) => unknown, subject: unknown): FunctionFailure | undefined {
    this.emissions.clear();
    let returned: unknown;
    try {
      returned = part(subject, this.context);
    } catch (e) {
      this.call.takeBack();
      return thrown(this.fn, e);
    }
    this.call.keep();
    if (returned !== undefined) refuseReturned(this.fn, this.node, returned);
    return undefined;
  }

  given(): void {
    const { timestamp, shard } = this.call;
    for (const { output, value } of this.emissions.list) this.emit(output, value, timestamp, shard);
  }

  advance(watermark: number): void {
    if (watermark <= this.keys.watermark) return;
    this.keys.advance(watermark);
    for (const timer of this.keys.due()) this.fire(timer);
  }

  /** Like an aggregate's result, a timer that fails has no record to send to `dead`. */
  private fire(due: DueAt): void {
    const { shard, key, name, time } = due;
    this.keys.own(shard, key).timers.delete(name);
    this.call.begin({ shard, key }, time, time);
    const { onTimer } = this.fn;
    const failure = onTimer === undefined ? this.noTimer(name) : this.run(onTimer, { name, time });
    if (failure === undefined) return this.given();
    this.counters.errors++;
    const where = `of timer "${name}" at ${time}`;
    if (this.fails) throw recordFailure(this.node, where, { code: "FUNCTION_FAILED", cause: failure.detail });
  }

  private noTimer(name: string): never {
    const at = `node "${this.node}", function "${this.fn.name}" (${this.fn.file})`;
    throw new WeirError("FUNCTION_INVALID", `${at}: timer "${name}" is due, but there is no onTimer; export one`);
  }

  get watermark(): number {
    return this.keys.watermark;
  }

  shards(): readonly number[] {
    return this.keys.shards();
  }

  beginSnapshot(): KeyedSnapshot {
    return this.keys.beginSnapshot();
  }

  unreadable(stateVersion: number): string | undefined {
    return unreadableForm(this.fn, this.node, stateVersion);
  }

  restore(shard: number, chunks: readonly Buffer[], stateVersion: number): void {
    this.keys.restore(shard, chunks, stateForm(this.fn, this.node, stateVersion));
  }

  division(floor: number): Division {
    return keyDivision(floor);
  }

  size(): number {
    return this.keys.size();
  }
}

function contextOf(
  node: string,
  parameters: Readonly<Record<string, string>>,
  { call, emissions }: { call: KeyCall; emissions: Emissions },
): KeyedContext {
  return {
    node,
    parameters,
    get timestamp() {
      return call.timestamp;
    },
    get key() {
      return JSON.parse(call.key) as unknown;
    },
    get watermark() {
      return call.store.now(call.shard);
    },
    emit: (record, output) => emissions.add(record, output),
    state: stateAccess(call),
    timers: timerAccess(call),
  };
}
