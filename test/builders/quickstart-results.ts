/** What the quickstart's job wrote, and what it should have: computed a second time without the engine. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { load } from "js-yaml";
import { expect } from "vitest";
import type { DatagenSource } from "../../src/api/datagen.schema.ts";
import { datagenGenerator } from "../../src/engine/connectors/datagen/generator.ts";
import { type TenantEvent, canonical, tenantWindows, windowId } from "./tenant-windows.ts";

export const samples = join(import.meta.dirname, "../../config/samples/quickstart");
export const JOB = "realtime-etl";
const START = Date.parse("2026-01-01T00:00:00Z");
const TENANTS = 100;
/** The last window that the backlog of 400,000 records at 5,000 for a second of event time fills and closes. */
export const LAST_OF_BACKLOG = 6;

/** The records in the job's volume, without a line that is being written. */
export function resultsIn(volume: string): string[] {
  const folder = join(volume, "results");
  if (!existsSync(folder)) return [];
  const texts = readdirSync(folder).map((part) => readFileSync(join(folder, part), "utf8"));
  return texts
    .flatMap((text) => text.slice(0, text.lastIndexOf("\n") + 1).split("\n"))
    .filter((line) => line !== "")
    .map((line) => canonical(JSON.parse(line) as object));
}

const windowNumber = (id: string): number => (Number(id.split("/")[1]) - START) / 10_000;
export const lastWindow = (volume: string): number =>
  Math.max(...resultsIn(volume).map((line) => windowNumber(windowId(line))));

/** Until every tenant's result of that window is in the files. */
export async function untilWindow(volume: string, number: number): Promise<void> {
  for (const deadline = Date.now() + 120_000; ; await delay(100)) {
    const found = resultsIn(volume).filter((line) => windowNumber(windowId(line)) === number).length;
    if (found >= TENANTS) return;
    if (Date.now() > deadline) throw new Error(`window ${number} has ${found} results of ${TENANTS}`);
  }
}

export interface Comparison {
  /** How many records there are, and how many there should be. */
  readonly written: number;
  readonly due: number;
  /** Records that nobody computes. */
  readonly wrong: readonly string[];
  readonly missing: readonly string[];
  /** The newest window that every split has closed, and the newest of any. */
  readonly lastOfAll: number;
  readonly last: number;
}

export function comparedWithComputed(written: readonly string[]): Comparison {
  const ids = written.map(windowId);
  const last = Math.max(...ids.map(windowNumber));
  const { windows, splitOf } = expectedUpTo(last);
  const splitAt = (id: string): number => splitOf.get(id.split("/")[0] ?? "") ?? -1;
  // A split's windows close in order: one that is written means that all before it are.
  const closed = new Map<number, number>();
  for (const id of ids) closed.set(splitAt(id), Math.max(closed.get(splitAt(id)) ?? -1, windowNumber(id)));
  const due = [...windows].filter(([id]) => windowNumber(id) <= (closed.get(splitAt(id)) ?? -1));
  const found = new Set(written);
  const records = new Set(due.map(([, record]) => record));
  return {
    written: written.length,
    due: records.size,
    wrong: written.filter((record) => !records.has(record)),
    missing: [...records].filter((record) => !found.has(record)),
    lastOfAll: Math.min(...closed.values()),
    last,
  };
}

/** All windows up to one after `last`, and which split each tenant's events are in. */
function expectedUpTo(last: number): { windows: Map<string, string>; splitOf: Map<string, number> } {
  const job = load(readFileSync(join(samples, "job.yaml"), "utf8")) as {
    spec: { pipeline: { nodes: { source?: { datagen?: DatagenSource } }[] } };
  };
  const datagen = job.spec.pipeline.nodes[0]?.source?.datagen;
  if (datagen === undefined) throw new Error("the sample does not begin with a datagen source");
  const generator = datagenGenerator(datagen);
  const buf = Buffer.alloc(generator.maxBytes);
  const windows = tenantWindows();
  const splitOf = new Map<string, number>();
  for (let split = 0; split < generator.splits; split++) {
    for (let index = 0; ; index++) {
      const text = buf.toString("utf8", 0, generator.write(buf, 0, { split, index }));
      const event = JSON.parse(text) as TenantEvent;
      if (event.ts >= START + (last + 1) * 10_000) break;
      if (splitOf.get(event.tenant) !== split) {
        expect(splitOf.has(event.tenant)).toBe(false);
        splitOf.set(event.tenant, split);
      }
      windows.add(event);
    }
  }
  return { windows: windows.records(), splitOf };
}
