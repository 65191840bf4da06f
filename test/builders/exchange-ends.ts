/** Both ends of exchanges between the slots of a job, without the job. */
import { systemClock, type Clock } from "../../src/clock.ts";
import type {
  AssignedSplit,
  Position,
  SinkContext,
  SinkWriter,
  SourceReader,
} from "../../src/engine/connectors/connector.ts";
import type { ExchangeConfig } from "../../src/engine/connectors/exchange/config.ts";
import { exchangeSink } from "../../src/engine/connectors/exchange/sink.ts";
import { exchangeSource } from "../../src/engine/connectors/exchange/source.ts";
import { exchangeTopic } from "../../src/engine/connectors/exchange/topic-name.ts";
import { connectorContext } from "./connector-context.ts";

export interface Received {
  readonly split: number;
  readonly key: string;
  /** null is a tombstone. */
  readonly value: string | null;
  readonly ts: number;
}

export type ExchangeWriter = SinkWriter & Required<Pick<SinkWriter, "watermark" | "idle" | "end" | "barrier">>;

/** A reader with all that it has given so far. */
export interface Reading {
  readonly reader: SourceReader;
  readonly received: Received[];
  /** Reads until this holds. */
  until(holds: () => boolean, what: string): Promise<void>;
}

export interface Ends {
  readonly config: ExchangeConfig;
  write(who?: Partial<SinkContext>): Promise<ExchangeWriter>;
  /** Slot `slot` of `slots` readers. */
  read(at?: {
    readonly slot?: number;
    readonly slots?: number;
    readonly epoch?: number;
    readonly positions?: ReadonlyMap<string, Position>;
    readonly clock?: Clock;
  }): Promise<Reading>;
}

const DEADLINE_MS = 180_000;

export function exchangeEnds(
  brokers: readonly string[],
  place: { readonly job: string; readonly node?: string; readonly generation?: number; readonly owner?: string },
  facts: Partial<ExchangeConfig> = {},
): Ends {
  const { job, node = "per-key", generation = 1, owner } = place;
  const topic = exchangeTopic({ job, node, generation, owner });
  const config: ExchangeConfig = { brokers, topic, partitions: 4, slots: 1, committed: false, retain: 1, ...facts };
  return {
    config,
    write: async (who = {}) => {
      const delivery = config.committed ? ("ExactlyOnce" as const) : ("AtLeastOnce" as const);
      const context = { ...connectorContext().sink, lineage: job, delivery, ...who };
      const writer = (await exchangeSink.open(config, context)) as ExchangeWriter;
      await writer.committed?.({ epoch: context.epoch, slot: context.slot }, 0);
      return writer;
    },
    read: async ({ slot = 0, slots = 1, epoch = 1, positions, clock = systemClock } = {}) => {
      const source = { ...connectorContext([]).source, job, epoch, clock };
      const splits = await exchangeSource.splits(config, source);
      const assigned = splits
        .filter(({ index }) => index % slots === slot)
        .map((split): AssignedSplit => ({ split, position: positions?.get(split.id) }));
      return readingOf(await exchangeSource.open(config, assigned, { ...source, deal: { slot, slots, splits } }));
    },
  };
}

function readingOf(reader: SourceReader): Reading {
  const received: Received[] = [];
  let wake = (): void => undefined;
  reader.onReady(() => wake());
  const drain = (): void => {
    for (let batch = reader.poll(); batch !== undefined; batch = reader.poll()) {
      const { buf, off, len, ts, key, split } = batch;
      for (let i = 0; i < batch.n; i++) {
        const at = key?.off[i] ?? 0;
        const value =
          (len[i] as number) < 0 ? null : buf.toString("utf8", off[i], (off[i] as number) + (len[i] as number));
        received.push({
          split,
          key: key?.buf.toString("utf8", at, at + (key.len[i] ?? 0)) ?? "",
          value,
          ts: ts[i] as number,
        });
      }
      return;
    }
  };
  const until: Reading["until"] = async (holds, what) => {
    const deadline = performance.now() + DEADLINE_MS;
    while (!holds()) {
      const before = received.length;
      drain();
      if (received.length > before) continue;
      if (performance.now() > deadline) throw new Error(`${what}: ${received.length} records, ${describe(reader)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  return { reader, received, until };
}

function describe(reader: SourceReader): string {
  return `watermarks ${JSON.stringify([...(reader.watermarks?.() ?? [])])}, ended ${JSON.stringify(reader.finishedSplits?.())}`;
}
