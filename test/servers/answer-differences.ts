/** Compares two answers to the same call after taking out what must differ: uids, revisions, times, ages. */
import type { ReplayedAnswer } from "./replay.ts";

type Json = Record<string, unknown>;

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/;
const AGE = /^(<invalid>|(\d+[smhdy])+)$/;
const UID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const VOLATILE = new Set(["uid", "resourceVersion", "continue", "storageVersionHash"]);

function isMap(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function normalText(text: string): string {
  if (TIME.test(text)) return "<time>";
  if (AGE.test(text)) return "<age>";
  return text.replaceAll(UID, "<uid>").replaceAll(/\(\d+[smhd]+ ago\)/g, "(<age> ago)");
}

/** Owners are listed by the second of their last write, then by name: two servers may be a second apart. */
function ordered(name: string, item: unknown): unknown {
  if (name !== "managedFields" || !Array.isArray(item)) return item;
  const nameOf = (entry: unknown): string =>
    isMap(entry) ? [entry["manager"], entry["operation"], entry["subresource"] ?? ""].join("/") : "";
  return item.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

export function normalised(value: unknown, key = ""): unknown {
  if (typeof value === "string") return VOLATILE.has(key) ? "<volatile>" : normalText(value);
  if (Array.isArray(value)) return value.map((item) => normalised(item));
  if (!isMap(value)) return value;
  // The prose of columns is not data.
  const entries = Object.entries(value).filter(([name]) => !(key === "columnDefinitions" && name === "description"));
  return Object.fromEntries(
    entries.map(([name, item]) => [normalText(name), normalised(ordered(name, item), Array.isArray(item) ? "" : name)]),
  );
}

/** Where two values differ: `path: left != right`. */
export function differences(left: unknown, right: unknown, path = ""): string[] {
  if (Object.is(left, right)) return [];
  if (Array.isArray(left) && Array.isArray(right)) {
    const longest = Math.max(left.length, right.length);
    return Array.from({ length: longest }, (_, i) => differences(left[i], right[i], `${path}/${i}`)).flat();
  }
  if (isMap(left) && isMap(right)) {
    const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
    return keys.flatMap((key) => differences(left[key], right[key], `${path}/${key}`));
  }
  return [`${path}: ${JSON.stringify(left)} != ${JSON.stringify(right)}`];
}

function withoutDescriptions(body: unknown): unknown {
  if (!isMap(body) || !Array.isArray(body["columnDefinitions"])) return body;
  return {
    ...body,
    columnDefinitions: body["columnDefinitions"].map((c) => (isMap(c) ? { ...c, description: "" } : c)),
  };
}

function comparable(answer: ReplayedAnswer): unknown {
  const strip = (body: unknown): unknown =>
    Array.isArray(body)
      ? body.map((event) => (isMap(event) ? { ...event, object: withoutDescriptions(event["object"]) } : event))
      : withoutDescriptions(body);
  const { code, warnings } = answer;
  return { code, warnings, body: normalised(strip(answer.body)) };
}

export function answerDifferences(real: ReplayedAnswer, embedded: ReplayedAnswer): string[] {
  return differences(comparable(real), comparable(embedded));
}
