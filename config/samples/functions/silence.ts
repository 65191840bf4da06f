import type { KeyedContext, KeyedProcessFunction } from "weir/functions";

/** Tells when nothing comes of a tenant for `quietMs` of event time, and when it is back. */

interface Event {
  readonly ts: number;
  readonly tenant: string;
}

type Change = { tenant: string; quietSince: number } | { tenant: string; backAt: number; after: number };
type Context = KeyedContext<Change, string>;

interface Seen {
  readonly last: number;
  readonly told: boolean;
}

const quietMs = ({ parameters }: Context): number => Number(parameters["quiet_ms"] ?? 30_000);

export const silence: KeyedProcessFunction<Event, Change, string> = {
  onRecord: ({ ts }, context) => {
    const { key: tenant, state, timers, emit } = context;
    const seen = state.value<Seen>("seen");
    const { last, told } = seen.get() ?? { last: ts, told: false };
    if (ts < last) return;
    // A timer is due between two batches of records: the silence may be over before it could be told.
    if (ts - last >= quietMs(context)) {
      if (!told) emit({ tenant, quietSince: last });
      emit({ tenant, backAt: ts, after: ts - last });
    }
    seen.set({ last: ts, told: false });
    timers.set("quiet", ts + quietMs(context));
  },

  onTimer: (_, { key: tenant, state, emit }) => {
    const seen = state.value<Seen>("seen");
    const { last } = seen.get() ?? { last: 0 };
    emit({ tenant, quietSince: last });
    seen.set({ last, told: true });
  },
};
