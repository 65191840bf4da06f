import type { SinkFactory } from "../../src/engine/connectors/connector.ts";
import { builtInConnectors, type ConnectorRegistry } from "../../src/engine/connectors/registry.ts";

/** What a test's sinks took, over all runs of a job. */
export interface Collected {
  readonly lines: string[];
  /** The built-in connectors with one more sink, "collect". */
  readonly connectors: ConnectorRegistry;
}

/** A sink that hands over at flush, like one that buffers: what was not flushed before a crash is gone. */
export function collected(): Collected {
  const lines: string[] = [];
  const factory: SinkFactory = {
    open: () => {
      let open: string[] = [];
      let records = 0;
      return Promise.resolve({
        append: ({ value, start, end }) => {
          open.push(value.toString("utf8", start, end));
          records++;
        },
        saturated: () => false,
        onDrain: () => {},
        flush: () => {
          const taken = open;
          open = [];
          lines.push(...taken);
          return Promise.resolve();
        },
        counters: () => ({ records, bytes: 0 }),
        close: () => Promise.resolve(),
      });
    },
  };
  return {
    lines,
    connectors: {
      ...builtInConnectors,
      source: (name) => builtInConnectors.source(name),
      sink: (name) => (name === "collect" ? Promise.resolve(factory) : builtInConnectors.sink(name)),
    },
  };
}
