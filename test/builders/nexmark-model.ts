import type { Auction, Bid, NexmarkEvent, Person } from "../../bench/nexmark/generator.ts";
import { BATCH } from "../../bench/nexmark/queries.ts";

/** What each Nexmark query gives, computed with arrays and maps: nothing of the engine is in it. */
type Row = Readonly<Record<string, unknown>>;
/** What the clock says when an event comes: batches are 700 ms apart. */
export const arrivalOf = (event: number): number => 5000 + Math.floor(event / BATCH) * 700;

type Query = (events: Iterable<NexmarkEvent>) => Iterable<Row>;

type QueryOfAll = (events: readonly NexmarkEvent[]) => Row[];

/** Those that `make bench` runs go over millions of events, and hold none. */
const ofAll =
  (query: QueryOfAll): Query =>
  (events) =>
    query([...events]);

const isBid = (event: NexmarkEvent): event is Bid => event.kind === "bid";
const bidsOf = (events: readonly NexmarkEvent[]): Bid[] => events.filter(isBid);
const windowOf = (time: number, size: number): number => Math.floor(time / size) * size;

function grouped<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

const bids: Query = (events) =>
  Iterator.from(events)
    .filter(isBid)
    .map((bid) => ({ ...bid }));

const euros: QueryOfAll = (events) =>
  bidsOf(events).map(({ auction, bidder, price, dateTime }) => ({ auction, bidder, price: 0.908 * price, dateTime }));

const someAuctions: QueryOfAll = (events) =>
  bidsOf(events)
    .filter((bid) => bid.auction % 123 === 0)
    .map(({ auction, price }) => ({ auction, price }));

const auctionsOf = (events: readonly NexmarkEvent[]): Auction[] =>
  events.filter((e): e is Auction => e.kind === "auction");

const localSellers: QueryOfAll = (events) =>
  auctionsOf(events)
    .filter((a) => a.category === 10)
    .flatMap(({ id, seller }) =>
      events
        .filter((e): e is Person => e.kind === "person" && e.id === seller && ["OR", "ID", "CA"].includes(e.state))
        .map(({ name, city, state }) => ({ name, city, state, id })),
    );

/** What is left of the means when the last auction is over. */
const meanPrices: QueryOfAll = (events) => {
  const byAuction = grouped(bidsOf(events), (bid) => bid.auction);
  const won = auctionsOf(events).flatMap(({ id, category, dateTime, expires }) => {
    const valid = (byAuction.get(id) ?? []).filter((b) => b.dateTime >= dateTime && b.dateTime <= expires);
    return valid.length === 0 ? [] : [{ category, final: Math.max(...valid.map((b) => b.price)) }];
  });
  return [...grouped(won, ({ category }) => category)].map(([category, finals]) => ({
    category,
    mean: finals.reduce((sum, { final }) => sum + final, 0) / finals.length,
  }));
};

const expandedBids: QueryOfAll = (events) => {
  const auctions = new Map(auctionsOf(events).map((a) => [a.id, a]));
  return bidsOf(events).flatMap(({ dateTime, extra: _extra, kind: _kind, ...bid }) => {
    const auction = auctions.get(bid.auction);
    if (auction?.category !== 10) return [];
    const { itemName, initialBid, reserve, dateTime: auctionDateTime, expires, seller, category } = auction;
    const item = { itemName, initialBid, reserve, auctionDateTime, expires, seller, category };
    return [{ ...bid, bidDateTime: dateTime, ...item }];
  });
};

const hotItems: Query = (events) => {
  const counts = new Map<number, Map<number, number>>();
  for (const { auction, dateTime } of Iterator.from(events).filter(isBid))
    for (let end = windowOf(dateTime, 2000) + 2000; end <= dateTime + 10_000; end += 2000) {
      const ofEnd = counts.get(end) ?? new Map<number, number>();
      counts.set(end, ofEnd.set(auction, (ofEnd.get(auction) ?? 0) + 1));
    }
  return [...counts].flatMap(([windowEnd, ofEnd]) => {
    const most = Math.max(...ofEnd.values());
    return [...ofEnd].filter(([, num]) => num === most).map(([auction, num]) => ({ auction, num, windowEnd }));
  });
};

const highestBids: Query = (events) => {
  const windows = new Map<number, { price: number; rows: Row[] }>();
  for (const { auction, price, bidder, dateTime } of Iterator.from(events).filter(isBid)) {
    const start = windowOf(dateTime, 10_000);
    const highest = windows.get(start);
    const row = { auction, price, bidder, dateTime };
    if (highest === undefined || price > highest.price) windows.set(start, { price, rows: [row] });
    else if (price === highest.price) highest.rows.push(row);
  }
  return [...windows.values()].flatMap(({ rows }) => rows);
};

const newSellers: Query = (events) => {
  const sold = new Set<string>();
  const persons: { id: number; name: string; windowStart: number }[] = [];
  for (const event of events) {
    const windowStart = windowOf(event.dateTime, 10_000);
    if (event.kind === "auction") sold.add(`${event.seller} ${windowStart}`);
    if (event.kind === "person") persons.push({ id: event.id, name: event.name, windowStart });
  }
  return persons.filter(({ id, windowStart }) => sold.has(`${id} ${windowStart}`));
};

const sessions: QueryOfAll = (events) =>
  [...grouped(bidsOf(events), (bid) => bid.bidder)].flatMap(([bidder, made]) => {
    const rows: { bidder: number; windowStart: number; windowEnd: number; bids: number }[] = [];
    for (const { dateTime } of made) {
      const last = rows.at(-1);
      if (last === undefined || dateTime >= last.windowEnd)
        rows.push({ bidder, windowStart: dateTime, windowEnd: dateTime + 10_000, bids: 1 });
      else Object.assign(last, { windowEnd: dateTime + 10_000, bids: last.bids + 1 });
    }
    return rows;
  });

const bidsByTheClock: QueryOfAll = (events) => {
  const arrived = events.flatMap((event, n) =>
    event.kind === "bid" ? [{ bidder: event.bidder, windowStart: windowOf(arrivalOf(n), 10_000) }] : [],
  );
  const groups = grouped(arrived, ({ bidder, windowStart }) => `${bidder} ${windowStart}`);
  return [...groups.values()].flatMap((group) =>
    group.slice(0, 1).map((first) => ({ ...first, windowEnd: first.windowStart + 10_000, bids: group.length })),
  );
};

/** The side input has for each number its text. */
const enrichedBids: QueryOfAll = (events) =>
  bidsOf(events).map(({ auction, bidder, price, dateTime }) => ({
    auction,
    bidder,
    price,
    dateTime,
    value: String(auction % 10_000),
  }));

function timeOfDay(time: number): string {
  const hour = new Date(time).getUTCHours();
  if (hour >= 8 && hour <= 18) return "dayTime";
  return hour <= 6 || hour >= 20 ? "nightTime" : "otherTime";
}

const range: QueryOfAll = (events) =>
  bidsOf(events)
    .filter(({ price }) => 0.908 * price > 1_000_000 && 0.908 * price < 50_000_000)
    .map(({ auction, bidder, price, dateTime, extra }) => ({
      auction,
      bidder,
      price: 0.908 * price,
      bidTimeType: timeOfDay(dateTime),
      cCounts: extra.replaceAll(/[^c]/g, "").length,
    }));

const DAY = 86_400_000;
const auctionsOfADay: QueryOfAll = (events) => {
  const groups = grouped(bidsOf(events), (bid) => `${bid.auction} ${windowOf(bid.dateTime, DAY)}`);
  return [...groups.values()].map((group) => {
    const { auction, dateTime } = group[0] as Bid;
    const prices = group.map((bid) => bid.price);
    const sum = prices.reduce((a, b) => a + b, 0);
    return {
      auction,
      windowStart: windowOf(dateTime, DAY),
      windowEnd: windowOf(dateTime, DAY) + DAY,
      total: prices.length,
      rank1: prices.filter((p) => p < 10_000).length,
      rank2: prices.filter((p) => p >= 10_000 && p < 1_000_000).length,
      rank3: prices.filter((p) => p >= 1_000_000).length,
      min: Math.min(...prices),
      max: Math.max(...prices),
      avg: sum / prices.length,
      sum,
    };
  });
};

/** Every change of a group's last bid is a result. */
const lastBids: QueryOfAll = (events) =>
  bidsOf(events).map(({ bidder, auction, price, dateTime }) => ({ key: [bidder, auction], price, dateTime }));

/** What is left of the changes: rank by rank. */
const topBids: QueryOfAll = (events) =>
  [...grouped(bidsOf(events), (bid) => bid.auction)].flatMap(([auction, group]) =>
    group
      .map((bid) => bid.price)
      .toSorted((a, b) => b - a)
      .slice(0, 10)
      .map((price, i) => ({ auction, rank: i + 1, price })),
  );

const NUMBERS: Readonly<Record<string, string>> = { Apple: "0", Google: "1", Facebook: "2", Baidu: "3" };
const channels: QueryOfAll = (events) =>
  bidsOf(events).flatMap(({ auction, channel, url }) => {
    const id = NUMBERS[channel] ?? /[&?]channel_id=([^&]*)/.exec(url)?.[1];
    return id === undefined ? [] : [{ auction, channel, id }];
  });

const folders: QueryOfAll = (events) =>
  bidsOf(events).map(({ auction, url }) => {
    const [dir1, dir2, dir3] = url.replace("https://www.nexmark.com/", "").split("/");
    return { auction, dir1, dir2, dir3 };
  });

export const model: Readonly<Record<string, Query>> = {
  q0: bids,
  q1: ofAll(euros),
  q2: ofAll(someAuctions),
  q3: ofAll(localSellers),
  q4: ofAll(meanPrices),
  q5: hotItems,
  q7: highestBids,
  q8: newSellers,
  q11: ofAll(sessions),
  q12: ofAll(bidsByTheClock),
  q13: ofAll(enrichedBids),
  q14: ofAll(range),
  q17: ofAll(auctionsOfADay),
  q18: ofAll(lastBids),
  q19: ofAll(topBids),
  q20: ofAll(expandedBids),
  q21: ofAll(channels),
  q22: ofAll(folders),
};
