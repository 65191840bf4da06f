import type { AggregatingState, Aggregator, KeyedContext, ListState, MapState, Timers, ValueState } from "./author.ts";
import { jsonCopy } from "./json-value.ts";
import type { KeyCall } from "./key-call.ts";
import { loaded, stored } from "./stored-value.ts";
import type { ListField, MapField, Stored } from "./stored-value.ts";

/** The states of the key of the call that runs. Each name has one object, which is made once. */
export function stateAccess(call: KeyCall): KeyedContext["state"] {
  const values = remembered((name) => valueState(call, name));
  const lists = remembered((name) => listState(call, name));
  const maps = remembered((name) => mapState(call, name));
  return {
    value: <T>(name: string) => values(name) as ValueState<T>,
    list: <T>(name: string) => lists(name) as ListState<T>,
    map: <T>(name: string) => maps(name) as MapState<T>,
    aggregating: <In, Kept, Out>(name: string, how: Aggregator<In, Kept, Out>) =>
      aggregatingState(values(name) as ValueState<Kept>, how),
  };
}

/** A function may make names of its data: not every one that ever was is kept. */
const MAX_REMEMBERED = 1000;

function remembered<S>(make: (name: string) => S): (name: string) => S {
  const made = new Map<string, S>();
  return (name) => {
    let state = made.get(name);
    if (state !== undefined) return state;
    state = make(checkedName(name));
    if (made.size < MAX_REMEMBERED) made.set(name, state);
    return state;
  };
}

function checkedName(name: unknown): string {
  if (typeof name === "string" && name !== "") return name;
  throw new TypeError("a state or timer needs a name, which is a text");
}

function valueState(call: KeyCall, name: string): ValueState<unknown> {
  return {
    get: () => {
      const field = call.field(name, "value");
      return field === undefined ? undefined : loaded(field.held);
    },
    set: (value) => {
      call.field(name, "value");
      call.replace(name, { kind: "value", held: stored(value, `state "${name}"`) });
    },
    clear: () => {
      if (call.field(name, "value") !== undefined) call.replace(name, undefined);
    },
  };
}

function aggregatingState<In, Kept, Out>(
  kept: ValueState<Kept>,
  how: Aggregator<In, Kept, Out>,
): AggregatingState<In, Out> {
  // A copy: a function may fill what it is given.
  const initial = (): Kept => jsonCopy(how.initial, "what an aggregate begins with") as Kept;
  return {
    get: () => {
      const held = kept.get();
      if (held === undefined) return undefined;
      return how.result === undefined ? (held as unknown as Out) : how.result(held);
    },
    add: (value) => {
      const held = kept.get();
      kept.set(how.add(held === undefined ? initial() : held, value));
    },
    clear: () => kept.clear(),
  };
}

function listState(call: KeyCall, name: string): ListState<unknown> {
  const item = (value: unknown): Stored => stored(value, `state "${name}"`);
  return {
    get size() {
      return call.field(name, "list")?.held.length ?? 0;
    },
    get: () => (call.field(name, "list")?.held ?? []).map(loaded),
    add: (value) => {
      const added = item(value);
      call.change<ListField>(name, { kind: "list", held: [] }, (held) => {
        held.push(added);
        return () => held.pop();
      });
    },
    set: (values) => {
      call.field(name, "list");
      call.replace(name, { kind: "list", held: Array.from(values, item) });
    },
    clear: () => {
      if (call.field(name, "list") !== undefined) call.replace(name, undefined);
    },
  };
}

function mapState(call: KeyCall, name: string): MapState<unknown> {
  const put = (held: Map<string, Stored>, at: string, value: Stored | undefined): void =>
    void (value === undefined ? held.delete(at) : held.set(at, value));
  const change = (at: string, value: Stored | undefined): void =>
    call.change<MapField>(name, { kind: "map", held: new Map() }, (held) => {
      const before = held.get(at);
      put(held, at, value);
      return () => put(held, at, before);
    });
  return {
    get size() {
      return call.field(name, "map")?.held.size ?? 0;
    },
    get: (at) => {
      const held = call.field(name, "map")?.held.get(at);
      return held === undefined ? undefined : loaded(held);
    },
    has: (at) => call.field(name, "map")?.held.has(at) === true,
    set: (at, value) => {
      if (typeof at !== "string") throw new TypeError(`state "${name}": a map is by names, which are texts`);
      change(at, stored(value, `state "${name}"`));
    },
    delete: (at) => {
      const held = call.field(name, "map")?.held;
      if (held?.has(at) !== true) return;
      if (held.size === 1) call.replace(name, undefined);
      else change(at, undefined);
    },
    entries: () => [...(call.field(name, "map")?.held ?? [])].map(([at, held]) => [at, loaded(held)]),
    clear: () => {
      if (call.field(name, "map") !== undefined) call.replace(name, undefined);
    },
  };
}

export function timerAccess(call: KeyCall): Timers {
  return {
    set: (name, time) => {
      checkedName(name);
      if (!Number.isSafeInteger(time))
        throw new TypeError(`timer "${name}": ${String(time)} is not a time in whole ms`);
      if (time <= call.after)
        throw new TypeError(`timer "${name}": ${time} is not later than the timer that is due, ${call.after}`);
      call.setTimer(name, time);
    },
    get: (name) => call.now()?.timers.get(name),
    delete: (name) => {
      if (call.now()?.timers.has(name) === true) call.setTimer(name, undefined);
    },
  };
}
