import type { ConnectorContext } from "../connectors/connector.ts";

/** What a key has in the other system: rows as JSON texts, or why the system will never have any for it. */
export type Found = { readonly rows: readonly Buffer[] } | { readonly problem: string };

/**
 * What a lookup asks: a folder of `connectors` may have a `lookup.ts` that exports a factory, registered in `registry.ts`.
 */
export interface LookupBackend {
  /**
   * What the keys have, in their order. Keys are JSON values without null. A rejection says that the system does not
   * answer now, or does not know the table: the keys are asked for again. When `signal` fires, nobody waits any more.
   */
  find(keys: readonly unknown[], signal: AbortSignal): Promise<readonly Found[]>;
  /** Most keys of one `find`, and most of them at a time. */
  readonly batch: number;
  readonly parallel: number;
  close(): Promise<void>;
}

export interface LookupFactory {
  /** Connects with the first `find`, not before. */
  open(config: unknown, ctx: ConnectorContext): LookupBackend;
}

/** Keys as they stand in a name: a list's parts one after the other. */
export function partsOf(key: unknown): string[] {
  const parts: readonly unknown[] = Array.isArray(key) ? key : [key];
  return parts.map((part) => (typeof part === "string" ? part : JSON.stringify(part)));
}

/** A row that came as text from outside: it must be JSON, because it goes into records as it is. */
export function jsonRow(text: string, where: string): Found {
  try {
    JSON.parse(text);
    return { rows: [Buffer.from(text)] };
  } catch {
    return { problem: `${where} is not JSON: ${text.slice(0, 100)}` };
  }
}
