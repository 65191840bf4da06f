import type { ServerResponse } from "node:http";
import type { WorkerEvent } from "../api/worker-protocol.ts";
import type { Clock } from "../clock.ts";

const HEARTBEAT_MS = 1000;
/** A reader this far behind is cut off; it comes back and gets the present. */
const MAX_UNREAD_BYTES = 1024 * 1024;

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** An event without its header. */
export type WorkerNews = DistributiveOmit<WorkerEvent, "seq" | "at" | "jobUid" | "epoch" | "slot" | "attempt">;
export type EventHeader = Pick<WorkerEvent, "jobUid" | "epoch" | "slot" | "attempt">;

/** The event stream: every reader gets the newest event of each kind first, then everything as it happens. */
export interface EventStream {
  publish(news: WorkerNews): void;
  follow(response: ServerResponse): void;
  /** Ends every reader's stream after what was published; what is published later, such as how a last checkpoint ended, nobody hears. */
  close(): Promise<void>;
}

export function eventStream(header: EventHeader, clock: Clock): EventStream {
  const readers = new Set<ServerResponse>();
  const newest = new Map<string, WorkerEvent>();
  let seq = 0;
  let closed = false;

  const send = (reader: ServerResponse, event: WorkerEvent): void => {
    if (reader.writableLength > MAX_UNREAD_BYTES) {
      reader.destroy();
      return;
    }
    reader.write(`${JSON.stringify(event)}\n`);
  };
  const publish = (news: WorkerNews): void => {
    const event: WorkerEvent = { ...header, ...news, seq: seq++, at: clock.now() };
    if (event.type !== "heartbeat") newest.set(event.type, event);
    for (const reader of readers) send(reader, event);
  };
  const heart = setInterval(() => publish({ type: "heartbeat" }), HEARTBEAT_MS);

  return {
    publish,
    follow: (response) => {
      response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
      response.flushHeaders();
      for (const event of [...newest.values()].toSorted((a, b) => a.seq - b.seq)) send(response, event);
      if (closed) {
        response.end();
        return;
      }
      readers.add(response);
      response.on("close", () => readers.delete(response));
    },
    close: async () => {
      clearInterval(heart);
      closed = true;
      const last = [...readers];
      readers.clear();
      await Promise.all(last.map((r) => new Promise<void>((resolve) => r.end(resolve))));
    },
  };
}
