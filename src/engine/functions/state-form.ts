import { messageOf, WeirError } from "../../errors.ts";
import type { SavedState } from "./author.ts";
import { newEntry } from "./key-entry.ts";
import type { KeyEntry } from "./key-entry.ts";
import { loaded, stored } from "./stored-value.ts";
import type { Field } from "./stored-value.ts";
import type { LoadedFunction } from "./loaded-function.ts";

/** Brings a saved entry into the form that the function keeps now; undefined where nothing is left of it. */
export type StateForm = (entry: KeyEntry) => KeyEntry | undefined;

const nameOf = (fn: LoadedFunction, node: string): string => `node "${node}", function "${fn.name}" (${fn.file})`;

/** Why a function has no way to read state of version `from`. */
export function unreadableForm(fn: LoadedFunction, node: string, from: number): string | undefined {
  const { stateVersion, migrate } = fn;
  if (from === stateVersion || (from < stateVersion && migrate !== undefined)) return undefined;
  const way = from > stateVersion ? "bring back the function that wrote it" : "export migrate beside onRecord";
  return `${nameOf(fn, node)}: the saved state has version ${from}, the function stateVersion ${stateVersion}; ${way}`;
}

/** How state of version `from` becomes the function's own. Refuses what it has no way to read. */
export function stateForm(fn: LoadedFunction, node: string, from: number): StateForm {
  const unreadable = unreadableForm(fn, node, from);
  if (unreadable !== undefined) throw new WeirError("RESTORE_REFUSED", unreadable);
  const { migrate } = fn;
  if (from === fn.stateVersion || migrate === undefined) return (entry) => entry;
  const at = nameOf(fn, node);
  return (entry) => {
    try {
      return withState(entry, migrate(stateOf(entry), from));
    } catch (cause) {
      throw new WeirError("RESTORE_REFUSED", `${at}: migrate from version ${from} failed: ${messageOf(cause)}`, {
        cause,
      });
    }
  };
}

function stateOf({ fields }: KeyEntry): SavedState {
  const values: Record<string, unknown> = {};
  const lists: Record<string, unknown[]> = {};
  const maps: Record<string, Map<string, unknown>> = {};
  for (const [name, { kind, held }] of fields) {
    if (kind === "value") values[name] = loaded(held);
    else if (kind === "list") lists[name] = held.map(loaded);
    else maps[name] = new Map([...held].map(([field, item]) => [field, loaded(item)]));
  }
  return { values, lists, maps };
}

function withState(entry: KeyEntry, { values, lists, maps }: SavedState): KeyEntry | undefined {
  const fields = new Map<string, Field>();
  const put = (name: string, field: Field): void => {
    if (fields.has(name)) throw new TypeError(`state "${name}" is there in two kinds`);
    fields.set(name, field);
  };
  const value = (name: string) => (item: unknown) => stored(item, `state "${name}"`);
  for (const [name, item] of Object.entries(values)) put(name, { kind: "value", held: value(name)(item) });
  for (const [name, items] of Object.entries(lists)) put(name, { kind: "list", held: items.map(value(name)) });
  for (const [name, items] of Object.entries(maps))
    put(name, { kind: "map", held: new Map([...items].map(([field, item]) => [field, value(name)(item)])) });
  if (fields.size === 0 && entry.timers.size === 0) return undefined;
  return { ...newEntry(entry.key, entry.epoch), fields, timers: entry.timers, writtenAt: entry.writtenAt };
}
