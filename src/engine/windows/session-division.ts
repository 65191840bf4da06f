import type { Division, Share } from "../keyed-state/division.ts";
import type { CellLayout } from "./cells.ts";
import { eachSession, SessionWriter } from "./session-codec.ts";

interface Rules {
  readonly layout: CellLayout;
  /** The time to go on from. */
  readonly floor: number;
  /** Whether a session that ends then was given by a shard that has come to `watermark`, and would be given again. */
  readonly isGiven: (end: number, watermark: number) => boolean;
  readonly refuse: (watermark: number) => void;
}

/** Where a session has gone: a share, under another number. */
interface Place {
  readonly share: Share;
  readonly id: number;
}

/** Divides what `SessionWriter` wrote. A session keeps its number in its share whatever form of it comes. */
export function sessionDivision({ layout, floor, isGiven, refuse }: Rules): Division {
  const created = new WeakMap<Share, number>();
  const writer = new SessionWriter(layout, floor);
  /** Of the shard: how far it has come, and which of its sessions cannot go there. It may have more than one worker has room for. */
  let newest = { watermark: floor, given: new Set<number>() };
  const newPlace = (share: Share): Place => {
    const id = created.get(share) ?? 0;
    created.set(share, id + 1);
    return { share, id };
  };
  return {
    late: true,
    open: () => new SessionWriter(layout, floor),
    shard: (watermark) => {
      const places = new Map<number, Place>();
      const given = new Set<number>();
      newest = { watermark, given };
      return (chunk, shareOf) =>
        eachSession(chunk, layout, (session, at) => {
          if (at !== undefined && isGiven(at.end, watermark)) given.add(session);
          else given.delete(session);
          const share = at === undefined ? undefined : shareOf(chunk, at.keyStart, at.keyStop);
          const place = places.get(session) ?? (share === undefined ? undefined : newPlace(share));
          if (place === undefined) return;
          places.set(session, place);
          if (at === undefined) writer.addGone(place.id);
          else {
            writer.number(place.id);
            writer.raw(chunk.subarray(at.from, at.to));
          }
          place.share.raw(writer.only());
        });
    },
    check: () => {
      if (newest.given.size > 0) refuse(newest.watermark);
    },
  };
}
