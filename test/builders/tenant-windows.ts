/**
 * What the quickstart's pipeline must write, computed without the engine: one loop over the events, one map entry per
 * tenant and ten seconds.
 */
export interface TenantEvent {
  readonly type: string;
  readonly ts: number;
  readonly tenant: string;
  readonly payload: { readonly lag: number };
}

const SIZE_MS = 10_000;

interface Sums {
  events: number;
  maxLag: number;
  sumLag: number;
}

export interface TenantWindows {
  add(event: TenantEvent): void;
  /** "tenant/windowStart" → the record, as `canonical` has it. */
  records(): Map<string, string>;
}

export function tenantWindows(): TenantWindows {
  const windows = new Map<string, Sums>();
  return {
    add: ({ type, ts, tenant, payload: { lag } }) => {
      if (type !== "metrics") return;
      const id = `${tenant}/${ts - (ts % SIZE_MS)}`;
      const sums = windows.get(id);
      if (sums === undefined) {
        windows.set(id, { events: 1, maxLag: lag, sumLag: lag });
        return;
      }
      sums.events++;
      sums.maxLag = Math.max(sums.maxLag, lag);
      sums.sumLag += lag;
    },
    records: () => new Map([...windows].map(([id, sums]) => [id, recordOf(id, sums)])),
  };
}

function recordOf(id: string, { events, maxLag, sumLag }: Sums): string {
  const [tenant, start] = id.split("/");
  const windowStart = Number(start);
  const avgLag = sumLag / events;
  return canonical({ tenant, windowStart, windowEnd: windowStart + SIZE_MS, events, maxLag, avgLag });
}

/** With its fields in alphabetical order: an API server keeps no order of an aggregate's names. */
export function canonical(record: object): string {
  return JSON.stringify(Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

/** The same name for a record that was written. */
export function windowId(record: string): string {
  const { tenant, windowStart } = JSON.parse(record) as { tenant: string; windowStart: number };
  return `${tenant}/${windowStart}`;
}
