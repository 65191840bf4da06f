/**
 * Nexmark's events, as a pure function of their number. The rules and constants are those of the generator that Apache
 * Beam's and Flink's Nexmark share (GeneratorConfig, PersonGenerator, AuctionGenerator, BidGenerator): of 50 events one is
 * a person, three are auctions and 46 are bids; half of the bids go to a hot auction, three quarters come from a hot
 * bidder. Random choices are this file's own (mulberry32 by event number), so the records are not theirs byte for byte.
 */
export interface NexmarkShape {
  /** Events per second of event time. */
  readonly rate: number;
}

export interface Person {
  readonly kind: "person";
  readonly id: number;
  readonly name: string;
  readonly city: string;
  readonly state: string;
  readonly dateTime: number;
}
export interface Auction {
  readonly kind: "auction";
  readonly id: number;
  readonly itemName: string;
  readonly initialBid: number;
  readonly reserve: number;
  readonly dateTime: number;
  readonly expires: number;
  readonly seller: number;
  readonly category: number;
}
export interface Bid {
  readonly kind: "bid";
  readonly auction: number;
  readonly bidder: number;
  readonly price: number;
  readonly channel: string;
  readonly url: string;
  readonly dateTime: number;
  readonly extra: string;
}
export type NexmarkEvent = Person | Auction | Bid;

const [PERSONS, AUCTIONS, TOTAL] = [1, 3, 50];
const FIRST_ID = 1000;
const FIRST_CATEGORY = 10;
const HOT = 100;
const ACTIVE_PEOPLE = 1000;
const AUCTIONS_IN_FLIGHT = 100;
const ID_LEAD = 10;
const START = 1_436_918_400_000;
const HOT_CHANNELS = ["Google", "Facebook", "Baidu", "Apple"];
const STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES = ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent"];
const FIRST_NAMES = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

type Below = (n: number) => number;

function randomOf(event: number): Below {
  let state = Math.imul(event + 1, 0x9e37_79b9) | 0;
  return (n) => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * n);
  };
}

export function nexmarkEvent(n: number, { rate }: NexmarkShape): NexmarkEvent {
  const below = randomOf(n);
  const dateTime = START + Math.floor((n * 1000) / rate);
  const offset = n % TOTAL;
  if (offset < PERSONS) return person(n, dateTime, below);
  return offset < PERSONS + AUCTIONS ? auction(n, dateTime, below) : bid(n, dateTime, below);
}

/** How many persons there have been before this event, and auctions, less one. */
const lastPerson = (n: number): number => Math.floor(n / TOTAL);
function lastAuction(n: number): number {
  const [epoch, offset] = [Math.floor(n / TOTAL), n % TOTAL];
  if (offset < PERSONS) return (epoch - 1) * AUCTIONS + AUCTIONS - 1;
  return epoch * AUCTIONS + Math.min(offset - PERSONS, AUCTIONS - 1);
}

const oneOf = (items: readonly string[], below: Below): string => items[below(items.length)] as string;
const price = (below: Below): number => Math.round(10 ** ((below(1_000_000) / 1_000_000) * 6) * 100);

function anyPerson(n: number, below: Below): number {
  const people = lastPerson(n) + 1;
  const active = Math.min(people, ACTIVE_PEOPLE);
  return people - active + below(active + ID_LEAD);
}

function anyAuction(n: number, below: Below): number {
  const last = lastAuction(n);
  const first = Math.max(last - AUCTIONS_IN_FLIGHT, 0);
  return first + below(last - first + 1 + ID_LEAD);
}

function person(n: number, dateTime: number, below: Below): Person {
  const name = `${oneOf(FIRST_NAMES, below)} ${oneOf(LAST_NAMES, below)}`;
  const id = lastPerson(n) + FIRST_ID;
  return { kind: "person", id, name, city: oneOf(CITIES, below), state: oneOf(STATES, below), dateTime };
}

function auction(n: number, dateTime: number, below: Below): Auction {
  const seller = below(4) > 0 ? Math.floor(lastPerson(n) / HOT) * HOT : anyPerson(n, below);
  const initialBid = price(below);
  return {
    kind: "auction",
    id: lastAuction(n) + FIRST_ID,
    itemName: `item ${below(1000)}`,
    initialBid,
    reserve: initialBid + price(below),
    dateTime,
    expires: dateTime + 1 + below(10_000),
    seller: seller + FIRST_ID,
    category: FIRST_CATEGORY + below(5),
  };
}

function bid(n: number, dateTime: number, below: Below): Bid {
  const hot = Math.max(0, Math.floor(lastAuction(n) / HOT) * HOT);
  const item = below(2) > 0 ? hot : anyAuction(n, below);
  const bidder = below(4) > 0 ? Math.floor(lastPerson(n) / HOT) * HOT + 1 : anyPerson(n, below);
  const number = below(10_000);
  const isHot = below(2) > 0;
  const name = `${oneOf(FIRST_NAMES, below)}/${number % 97}/item.htm?query=1`;
  return {
    kind: "bid",
    auction: item + FIRST_ID,
    bidder: bidder + FIRST_ID,
    price: price(below),
    channel: isHot ? oneOf(HOT_CHANNELS, below) : `channel-${number}`,
    url: `https://www.nexmark.com/${name}${isHot ? "" : `&channel_id=${number}`}`,
    dateTime,
    extra: "abcccdefc".repeat(1 + below(4)),
  };
}
