import { expect, it } from "vitest";
import { connectorContext, outRecord } from "../../../../test/builders/connector-context.ts";
import type { PlanSink } from "../../plan.ts";
import type { OutRecord, SinkFactory } from "../connector.ts";
import { builtInConnectors } from "../registry.ts";
import { sinkFactory } from "./factories.ts";

const taken: unknown[] = [];
const total = { records: 0, bytes: 0 };
/** Takes what it is given in each of the ways that a Buffer has. */
const sink: SinkFactory = {
  open: () =>
    Promise.resolve({
      append: ({ value, start, end, key, keyStart, keyEnd, ts }) => {
        const copied = value.copy(Buffer.alloc(16), 0, start, end);
        const cut = value.subarray(start, end).toString();
        taken.push([
          end < start,
          cut,
          value.toString("utf8", start, end),
          copied,
          key?.toString("utf8", keyStart, keyEnd),
          ts,
        ]);
      },
      saturated: () => false,
      onDrain: () => undefined,
      flush: () => Promise.resolve(),
      counters: () => total,
      close: () => Promise.resolve(),
    }),
};

it.each(["AtLeastOnce", "ExactlyOnce"] as const)(
  "hands a tombstone to a user's sink as a range of nothing, %s",
  async (delivery) => {
    const fn = { name: "out", module: { path: "/out.mjs" }, export: "out" };
    const plan = { node: "out", connector: "custom", config: { function: fn, config: {} } } as unknown as PlanSink;
    const committing = {
      prepare: () => Promise.resolve(),
      commit: () => Promise.resolve(),
      recover: () => Promise.resolve(),
    };
    const out: SinkFactory = { open: async (...args) => ({ ...(await sink.open(...args)), ...committing }) };
    const importModule = () => Promise.resolve({ exports: { out }, url: "file:///out.mjs" });
    const { factory, config } = await sinkFactory(plan, { connectors: builtInConnectors, importModule });
    const writer = await factory.open(config, { ...connectorContext().sink, delivery });
    taken.length = 0;
    const tombstone: OutRecord = { ...outRecord("k", "abc", 7), end: -1 };
    for (const record of [outRecord("k", "abc", 7), tombstone, outRecord("k", "", 7)]) writer.append(record);
    expect(taken).toEqual([
      [false, "abc", "abc", 3, "k", 7],
      [true, "", "", 0, "k", 7],
      [false, "", "", 0, "k", 7],
    ]);
    expect(tombstone).toMatchObject({ start: 0, end: -1 });
  },
);
