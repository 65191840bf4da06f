import type { Division, Share } from "../keyed-state/division.ts";
import { readSaved, ROW_HEADER, RowWriter } from "./row-codec.ts";
import type { SavedRow } from "./row-codec.ts";
import type { Side } from "./row.ts";

export interface RowRules {
  /** The time to go on from. */
  readonly floor: number;
  /** By side: whether a row without a partner gives a result, and so has a place by which a match tells it. */
  readonly unmatched: readonly [boolean, boolean];
  /** Whether a row of a shard that has come to `now` can still meet another one. */
  readonly isAlive: (side: Side, ts: number, now: number) => boolean;
  /** Whether its log was, by then, after an earlier checkpoint had it. */
  readonly wasDropped?: (row: SavedRow, watermark: number) => boolean;
  /** The end of a row's span of time. */
  readonly logEnd: (ts: number) => number;
}

/** Where the rows of a side and span of a saved shard have gone, in their order. */
interface Gone {
  readonly shares: (Share | undefined)[];
  readonly places: number[];
}

/** Divides what `RowWriter` wrote. */
export function rowDivision(rules: RowRules): Division {
  const { floor, unmatched, isAlive } = rules;
  /** Rows that a share has, by side and span. */
  const counts = new WeakMap<Share, Map<string, number>>();
  const matches = new RowWriter(floor);
  const nameOf = (side: Side, ts: number): string => `${side} ${rules.logEnd(ts)}`;
  const next = (share: Share | undefined, name: string): number => {
    if (share === undefined) return -1;
    const of = counts.get(share) ?? new Map<string, number>();
    const place = of.get(name) ?? 0;
    counts.set(share, of.set(name, place + 1));
    return place;
  };
  return {
    late: true,
    open: () => new RowWriter(floor),
    shard: (watermark) => {
      const logs = new Map<string, Gone>();
      return (chunk, shareOf) => {
        const row = (saved: SavedRow): void => {
          if (rules.wasDropped?.(saved, watermark) === true) return;
          const { side, ts, key } = saved;
          const isDone = !isAlive(side, ts, watermark);
          if (isDone && !unmatched[side]) return;
          // One that is done with is only saved for its place. Where time goes back it would meet others once more.
          const share = isDone ? undefined : shareOf(key.bytes, key.start, key.stop);
          share?.raw(bytesOf(saved));
          if (!unmatched[side]) return;
          const name = nameOf(side, ts);
          const log = logs.get(name) ?? { shares: [], places: [] };
          logs.set(name, log);
          log.shares.push(share);
          log.places.push(next(share, name));
        };
        readSaved(chunk, {
          row,
          match: ({ side, ts, place }) => {
            const log = logs.get(nameOf(side, ts));
            const share = log?.shares[place];
            if (share === undefined) return;
            matches.addMatch({ side, ts, place: log?.places[place] as number });
            share.raw(matches.only());
          },
        });
      };
    },
  };
}

const bytesOf = ({ key, row }: SavedRow): Buffer => row.bytes.subarray(key.start - ROW_HEADER, row.end);
