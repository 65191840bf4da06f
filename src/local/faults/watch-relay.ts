import type { ServerResponse } from "node:http";
import type { KubeCall } from "../../kube/call.ts";
import { lines } from "../../kube/watch-stream.ts";
import type { FaultSet, Match, SeenEvent } from "./fault.ts";
import { matches } from "./fault.ts";

/** The open watches of a proxy: their lines pass one by one, so that each may be lost, doubled or withheld. */
export interface WatchRelay {
  /** Passes the lines on until either side ends. */
  relay(call: KubeCall, upstream: AsyncIterable<Uint8Array>, response: ServerResponse): Promise<void>;
  /** Sends what was withheld, oldest first, to the watches that are still open. */
  release(): number;
  /** Breaks connections; returns how many. */
  cut(match: Match): number;
  /** Ends watches the way a server does that has forgotten their resourceVersion. */
  expire(match: Match): number;
  readonly open: number;
}

const expired = JSON.stringify({
  type: "ERROR",
  object: {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "too old resource version (injected)",
    reason: "Expired",
    code: 410,
  },
});

export function createWatchRelay(faults: FaultSet): WatchRelay {
  const open = new Map<ServerResponse, KubeCall>();
  let withheld: { line: string; response: ServerResponse }[] = [];

  const matching = (match: Match): ServerResponse[] =>
    [...open].filter(([, call]) => matches(match, call)).map(([response]) => response);

  const pass = (call: KubeCall, line: string, response: ServerResponse): void => {
    const event = JSON.parse(line) as SeenEvent;
    const isMeant = (effect: { when?: (event: SeenEvent) => boolean }): boolean =>
      event.type !== "BOOKMARK" && (effect.when?.(event) ?? true);
    const fates = faults.strike("Event", call, isMeant).map((effect) => effect.fate);
    if (fates.includes("Drop")) return;
    if (fates.includes("Withhold")) {
      withheld.push({ line, response });
      return;
    }
    response.write(`${line}\n`);
    if (fates.includes("Duplicate")) response.write(`${line}\n`);
  };

  return {
    relay: async (call, upstream, response) => {
      open.set(response, call);
      try {
        for await (const line of lines(upstream)) {
          if (response.destroyed) break;
          pass(call, line, response);
        }
        response.end();
      } finally {
        open.delete(response);
      }
    },
    release: () => {
      const late = withheld.filter(({ response }) => open.has(response));
      withheld = [];
      for (const { line, response } of late) response.write(`${line}\n`);
      return late.length;
    },
    cut: (match) => {
      const cut = matching(match);
      for (const response of cut) response.destroy();
      return cut.length;
    },
    expire: (match) => {
      const ended = matching(match);
      for (const response of ended) response.end(`${expired}\n`);
      return ended.length;
    },
    get open() {
      return open.size;
    },
  };
}
