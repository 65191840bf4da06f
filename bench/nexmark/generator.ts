import { filling, randomOf, words } from "./random.ts";
import type { Below } from "./random.ts";

/**
 * Nexmark's events, as a pure function of their number. The rules and constants are those of the generator that Apache
 * Beam's and Flink's Nexmark share (GeneratorConfig, PersonGenerator, AuctionGenerator, BidGenerator); the README of this
 * folder says what agrees and what does not. Random choices are our own, so the records are not theirs byte for byte.
 */
export interface NexmarkShape {
  /** Events per second of event time. */
  readonly rate: number;
}

export interface Person {
  readonly kind: "person";
  readonly id: number;
  readonly name: string;
  readonly emailAddress: string;
  readonly creditCard: string;
  readonly city: string;
  readonly state: string;
  readonly dateTime: number;
  readonly extra: string;
}
export interface Auction {
  readonly kind: "auction";
  readonly id: number;
  readonly itemName: string;
  readonly description: string;
  readonly initialBid: number;
  readonly reserve: number;
  readonly dateTime: number;
  readonly expires: number;
  readonly seller: number;
  readonly category: number;
  readonly extra: string;
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
/** An auction is open for as long as it takes to make so many others, on average. */
const EVENTS_WHILE_OPEN = Math.floor((AUCTIONS_IN_FLIGHT * TOTAL) / AUCTIONS);
const MEAN_BYTES = { person: 200, auction: 500, bid: 100 };
/** What the standard counts for a number. */
const NUMBER_BYTES = 8;
const CHANNELS = 10_000;
const HOT_CHANNELS = ["Google", "Facebook", "Baidu", "Apple"];
const STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES = [
  "Phoenix",
  "Los Angeles",
  "San Francisco",
  "Boise",
  "Portland",
  "Bend",
  "Redmond",
  "Seattle",
  "Kent",
  "Cheyenne",
];
const FIRST_NAMES = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

const timeOf = (n: number, { rate }: NexmarkShape): number => START + Math.floor((n * 1000) / rate);

export function nexmarkEvent(n: number, shape: NexmarkShape): NexmarkEvent {
  const below = randomOf(n);
  const dateTime = timeOf(n, shape);
  const offset = n % TOTAL;
  if (offset < PERSONS) return person(n, dateTime, below);
  return offset < PERSONS + AUCTIONS ? auction(n, shape, below) : bid(n, dateTime, below);
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
  const fields = {
    name: `${oneOf(FIRST_NAMES, below)} ${oneOf(LAST_NAMES, below)}`,
    emailAddress: `${words(below, 7)}@${words(below, 5)}.com`,
    creditCard: Array.from({ length: 4 }, () => String(below(10_000)).padStart(4, "0")).join(" "),
    city: oneOf(CITIES, below),
    state: oneOf(STATES, below),
  };
  const taken = Object.values(fields).reduce((sum, text) => sum + text.length, NUMBER_BYTES);
  const extra = filling(below, taken, MEAN_BYTES.person);
  return { kind: "person", id: lastPerson(n) + FIRST_ID, ...fields, dateTime, extra };
}

function auction(n: number, shape: NexmarkShape, below: Below): Auction {
  const seller = below(4) > 0 ? Math.floor(lastPerson(n) / HOT) * HOT : anyPerson(n, below);
  const category = FIRST_CATEGORY + below(5);
  const initialBid = price(below);
  const dateTime = timeOf(n, shape);
  const meanOpen = timeOf(n + EVENTS_WHILE_OPEN, shape) - dateTime;
  const expires = dateTime + 1 + below(Math.max(meanOpen * 2, 1));
  const itemName = words(below, 20);
  const description = words(below, 100);
  const reserve = initialBid + price(below);
  const extra = filling(below, itemName.length + description.length + 6 * NUMBER_BYTES, MEAN_BYTES.auction);
  const id = lastAuction(n) + FIRST_ID;
  const item = { itemName, description, initialBid, reserve, dateTime, expires };
  return { kind: "auction", id, ...item, seller: seller + FIRST_ID, category, extra };
}

function bid(n: number, dateTime: number, below: Below): Bid {
  const hot = Math.max(0, Math.floor(lastAuction(n) / HOT) * HOT);
  const item = below(2) > 0 ? hot : anyAuction(n, below);
  const bidder = below(4) > 0 ? Math.floor(lastPerson(n) / HOT) * HOT + 1 : anyPerson(n, below);
  return {
    kind: "bid",
    auction: item + FIRST_ID,
    bidder: bidder + FIRST_ID,
    price: price(below),
    ...(below(2) > 0 ? hotChannel(below(HOT_CHANNELS.length)) : channel(below(CHANNELS))),
    dateTime,
    extra: filling(below, 4 * NUMBER_BYTES, MEAN_BYTES.bid),
  };
}

type Channel = Pick<Bid, "channel" | "url">;

/** A channel always has the same URL; its choices are those of a number that no event has. */
function urlOf(below: Below): string {
  const folders = Array.from({ length: 3 }, () => words(below, 5, "_"));
  return `https://www.nexmark.com/${folders.join("/")}/item.htm?query=1`;
}

const hotChannel = (i: number): Channel => ({ channel: HOT_CHANNELS[i] as string, url: urlOf(randomOf(-2 - i)) });

/** One in ten has no id in its URL. */
function channel(number: number): Channel {
  const below = randomOf(-100 - number);
  const url = urlOf(below);
  const id = below(10) > 0 ? `&channel_id=${Math.abs(reversed(number))}` : "";
  return { channel: `channel-${number}`, url: `${url}${id}` };
}

/** Its 32 bits the other way round. */
function reversed(number: number): number {
  let bits = 0;
  for (let i = 0; i < 32; i++) bits = (bits << 1) | ((number >>> i) & 1);
  return bits;
}
