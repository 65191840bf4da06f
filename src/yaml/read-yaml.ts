import { CORE_SCHEMA, constructFromEvents, EVENT_ID, mergeTag, parseEvents, YAMLException } from "js-yaml";
import type { Event } from "js-yaml";
import { WeirError } from "../errors.ts";
import { lineColumn } from "./line-column.ts";
import type { PlaceNode } from "./place-tree.ts";
import { placeTree } from "./place-tree.ts";
import { hinted } from "./yaml-hint.ts";

/** JSON's types, and merges (`<<: *name`), which kubectl takes, too. */
const SCHEMA = CORE_SCHEMA.withTags(mergeTag);
/** A text of 1 MiB without aliases can hold more in theory only. */
const MAX_VALUES = 200_000;

export interface YamlDocument {
  /** JSON's types only; null for an empty document. */
  readonly value: unknown;
  /** Where everything of it is. Made when it is asked for. */
  readonly root: () => PlaceNode;
}

/** Reads a text of one or more documents. Throws SPEC_INVALID with a message that goes on after the text's name. */
export function readYaml(text: string, options: { readonly maxAliases?: number } = {}): YamlDocument[] {
  // A byte order mark is no part of the text, and would move every offset.
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const { events, values } = parsed(source, options);
  if (values.reduce<number>((left, value) => valuesLeft(value, left), MAX_VALUES) <= 0) {
    const message = `expands to more than ${MAX_VALUES} values by its aliases (*name); write out what they stand for`;
    throw new WeirError("SPEC_INVALID", message, { place: { offset: 0, message } });
  }
  const starts = events.flatMap((event, i) => (event.type === EVENT_ID.DOCUMENT ? [i] : []));
  return values.map((value, i) => ({
    value: value ?? null,
    root: () => placeTree(source, events.slice(starts[i], starts[i + 1])),
  }));
}

function parsed(source: string, limits: { readonly maxAliases?: number }): { events: Event[]; values: unknown[] } {
  try {
    const events = parseEvents(source, {});
    return { events, values: constructFromEvents(events, { source, schema: SCHEMA, ...limits }) };
  } catch (e) {
    if (!(e instanceof YAMLException)) throw e;
    const offset = Math.min(e.mark?.position ?? 0, source.length);
    const { line, column } = lineColumn(source, offset);
    const reason = hinted(e.reason);
    const place = { offset, message: `not YAML: ${reason}` };
    throw new WeirError("SPEC_INVALID", `is not YAML: line ${line}, column ${column}: ${reason}`, {
      cause: e,
      place,
    });
  }
}

/** An alias is the same object again: small in memory, but not for anybody who walks over it. */
function valuesLeft(value: unknown, left: number): number {
  if (left <= 0 || typeof value !== "object" || value === null) return left - 1;
  let rest = left - 1;
  for (const child of Object.values(value)) {
    rest = valuesLeft(child, rest);
    if (rest <= 0) return 0;
  }
  return rest;
}
