import type { DueTimer, KeyedContext, RecordContext } from "../../src/engine/functions/author.ts";
import { loadedFunction } from "../../src/engine/functions/loaded-function.ts";
import type { LoadedFunction } from "../../src/engine/functions/loaded-function.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { murmur2 } from "../../src/engine/windows/murmur2.ts";
import { random } from "./random.ts";
import type { Random } from "./random.ts";

const NAMES = ["a", "b", "c"] as const;

/** Random programs in place of a user's functions: what one does follows from its node, its event and its state alone. */
export function randomFunctions(plan: Plan): ReadonlyMap<string, LoadedFunction> {
  const used = plan.nodes.flatMap((node) => (node.kind === "process" || node.kind === "keyedProcess" ? [node] : []));
  return new Map(used.map((node) => [node.function.name, functionFor(plan, node.function)]));
}

function functionFor(plan: Plan, of: Parameters<typeof loadedFunction>[0]): LoadedFunction {
  const stateless = plan.nodes.some((n) => n.kind === "process" && n.function.name === of.name);
  const onRecord = (event: unknown, context: RecordContext & Partial<KeyedContext>): void => {
    const r = seeded([of.name, context.timestamp, event]);
    for (let steps = 1 + r.below(4); steps > 0; steps--) recordStep(r, event, context);
    if (r.chance(0.1)) throw new RangeError("now and then");
  };
  const onTimer = (timer: DueTimer, context: KeyedContext): void => {
    const r = seeded([of.name, timer, context.key]);
    context.emit({ timer, key: context.key, kept: kept(context) });
    for (let steps = r.below(3); steps > 0; steps--) stateStep(r, timer, context);
    if (r.chance(0.4)) context.timers.set(r.pick(NAMES), timer.time + 500 * (1 + r.below(18)));
    if (r.chance(0.1)) throw new RangeError("now and then");
  };
  const value = stateless ? onRecord : { onRecord, onTimer };
  return loadedFunction(of, { value, url: "" });
}

function seeded(by: unknown): Random {
  const bytes = Buffer.from(JSON.stringify(by));
  return random(murmur2(bytes, 0, bytes.length));
}

function recordStep(r: Random, event: unknown, context: RecordContext & Partial<KeyedContext>): void {
  const { state, timers } = context;
  switch (r.below(state === undefined || timers === undefined ? 3 : 6)) {
    case 0:
      return context.emit(event);
    case 1:
      return context.emit({ at: context.timestamp, event }, r.chance(0.7) ? undefined : r.pick(["side", "late"]));
    case 2:
      if (typeof event === "object" && event !== null) Object.assign(event, { changed: [1, { deep: true }] });
      return;
    case 3:
      if (timers !== undefined)
        timers.set(r.pick(NAMES), Math.round(context.timestamp / 500) * 500 + 500 * (r.below(18) - 4));
      return;
    case 4:
      if (timers !== undefined) timers.delete(r.pick(NAMES));
      return;
    default:
      stateStep(r, event, context as KeyedContext);
  }
}

function kept({ state, timers, watermark }: KeyedContext): unknown {
  const list = state.list("list");
  const map = state.map("map");
  const value = state.value("value").get() ?? null;
  const times = NAMES.map((name) => timers.get(name) ?? null);
  return { value, list: list.get(), n: [list.size, map.size], map: map.entries(), times, watermark: String(watermark) };
}

const SUMS = {
  initial: { sum: 0, n: 0 },
  add: (kept: { sum: number; n: number }, value: number) => ({ sum: kept.sum + value, n: kept.n + 1 }),
  result: ({ sum, n }: { sum: number; n: number }) => [sum, sum / n],
};

function stateStep(r: Random, subject: unknown, { state, emit, key }: KeyedContext): void {
  const value = state.value<unknown>("value");
  const list = state.list<unknown>("list");
  const map = state.map<unknown>("map");
  const sums = state.aggregating("sums", SUMS);
  const steps = [
    () => value.set(typeof value.get() === "number" ? (value.get() as number) + 1 : 1),
    () => value.set(subject),
    () => value.clear(),
    () => list.add(subject),
    () => list.add(r.below(10)),
    () => list.set([key, ...list.get().slice(-3)]),
    () => list.clear(),
    () => map.set(r.pick(NAMES), subject),
    () => map.delete(r.pick(NAMES)),
    () => map.clear(),
    () => sums.add(r.below(10)),
    () => sums.clear(),
    () => emit({ sums: sums.get() ?? null }),
    () => emit({ value: value.get() ?? null, list: list.get(), map: map.entries() }),
    () => state.list("value").get(),
  ] as const;
  r.pick(steps)();
}
