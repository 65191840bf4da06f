import type { PlanWindow } from "../plan.ts";

/** Windows that are made of equal pieces of time. */
export type PaneWindow = Exclude<PlanWindow, { type: "session" }>;

/**
 * Event time cut into panes: a record is folded into one pane, and a window is the merge of its panes, so that windows
 * that overlap share their work (Li et al., "No Pane, No Gain", SIGMOD Record 2005). Panes and windows are named by their
 * end. A tumbling window is its only pane.
 */
export interface Panes {
  readonly paneMs: number;
  readonly offsetMs: number;
  /** Between the ends of two windows. */
  readonly stepMs: number;
  /** Ends of the first and the last window that a pane is in. */
  first(pane: number): number;
  last(pane: number): number;
  /** Where the window that ends there begins. */
  start(end: number): number;
}

export function panesOf(window: PaneWindow): Panes {
  switch (window.type) {
    case "tumbling": {
      const { sizeMs, offsetMs } = window;
      const same = (pane: number): number => pane;
      return { paneMs: sizeMs, offsetMs, stepMs: sizeMs, first: same, last: same, start: (end) => end - sizeMs };
    }
    case "sliding": {
      const { sizeMs, everyMs } = window;
      const paneMs = commonDivisor(sizeMs, everyMs);
      const first = (pane: number): number => Math.ceil(pane / everyMs) * everyMs;
      const last = (pane: number): number => Math.floor((pane - paneMs + sizeMs) / everyMs) * everyMs;
      return { paneMs, offsetMs: 0, stepMs: everyMs, first, last, start: (end) => end - sizeMs };
    }
    case "cumulate": {
      const { stepMs, maxMs } = window;
      const start = (end: number): number => Math.floor((end - 1) / maxMs) * maxMs;
      const last = (pane: number): number => start(pane) + maxMs;
      return { paneMs: stepMs, offsetMs: 0, stepMs, first: (pane) => pane, last, start };
    }
  }
}

export function paneEnd({ paneMs, offsetMs }: Panes, ts: number): number {
  return Math.floor((ts - offsetMs) / paneMs) * paneMs + offsetMs + paneMs;
}

/** Ends of the windows of a pane that the watermark passes on its way `from` … `to`. */
export function* passedWindows(panes: Panes, pane: number, from: number, to: number): Generator<number> {
  const last = panes.last(pane);
  for (let end = panes.first(pane); end <= last && end - 1 <= to; end += panes.stepMs) if (end - 1 > from) yield end;
}

/** The size of a window in panes: what a result is merged of. */
export function panesPerWindow(window: PaneWindow): number {
  const { paneMs } = panesOf(window);
  if (window.type === "cumulate") return window.maxMs / paneMs;
  return window.sizeMs / paneMs;
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));
