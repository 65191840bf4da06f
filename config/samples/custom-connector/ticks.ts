import type { Batch, SourceFactory } from "weir/connectors";

/** A source that counts: one record per split and interval, up to `count`. */

interface Config {
  readonly splits: number;
  readonly intervalMs: number;
  readonly count: number;
}

const IDS = /^ticks-(\d+)$/;

export const ticks: SourceFactory = {
  splits: (config) => {
    const { splits } = config as Config;
    return Promise.resolve(Array.from({ length: splits }, (_, index) => ({ id: `ticks-${index}`, index })));
  },

  open: (config, assigned) => {
    const { intervalMs, count } = config as Config;
    const next = new Map(assigned.map(({ split, position }) => [split.id, Number(position?.["next"] ?? 0)]));
    let wake = (): void => undefined;
    let due = next.size;
    const timer = setInterval(() => {
      due = next.size;
      wake();
    }, intervalMs);
    const isDone = (id: string): boolean => (next.get(id) ?? 0) >= count;
    const indexOf = (id: string): number => Number(IDS.exec(id)?.[1]);

    return Promise.resolve({
      // Synchronous: what is not there yet is for the next call. A batch is of one split.
      poll: () => {
        for (const id of [...next.keys()].slice(-due)) {
          if (due === 0) break;
          due--;
          if (isDone(id)) continue;
          const n = next.get(id) ?? 0;
          next.set(id, n + 1);
          return batchOf({ split: indexOf(id), n });
        }
        return undefined;
      },
      onReady: (call) => {
        wake = call;
      },
      // Saved with every checkpoint, and given back to `open`.
      positions: () => new Map([...next].map(([id, n]) => [id, { next: n }])),
      finished: () => [...next.keys()].every(isDone),
      lag: () => undefined,
      idleSplits: () => [],
      finishedSplits: () => [...next.keys()].filter(isDone).map(indexOf),
      close: () => {
        clearInterval(timer);
        return Promise.resolve();
      },
    });
  },
};

function batchOf({ split, n }: { split: number; n: number }): Batch {
  const buf = Buffer.from(JSON.stringify({ split, n }));
  return {
    split,
    n: 1,
    buf,
    off: Int32Array.of(0),
    len: Int32Array.of(buf.length),
    ts: Float64Array.of(n),
    key: undefined,
    describe: () => `ticks-${split}@${n}`,
  };
}
