import type { Terminal } from "../command.ts";
import type { ActResult, View } from "./story.ts";

/** Prints what changed since the last view, one line a change: time, what, text. */
export interface Screen {
  line(what: string, text: string): void;
  show(view: View): void;
  finished(result: ActResult): void;
}

const LAG_EVERY_MS = 1_000;
const paint = (code: number, text: string, io: Terminal): string =>
  io.colour ? `\u001b[${code}m${text}\u001b[0m` : text;

export function openScreen(io: Terminal, now: () => number): Screen {
  const began = now();
  const said = new Map<string, string>();
  let lagAt = 0;
  let shownRows = false;

  const line = (what: string, text: string): void => {
    const seconds = ((now() - began) / 1000).toFixed(1).padStart(5);
    io.out(`${paint(2, `${seconds}s`, io)}  ${paint(36, what.padEnd(9), io)} ${text}`);
  };
  const once = (what: string, text: string | undefined): void => {
    if (text === undefined || said.get(what) === text) return;
    said.set(what, text);
    line(what, text);
  };

  return {
    line,
    show: (view) => {
      once("state", stateOf(view));
      for (const text of newDecisions(view, said)) line("decision", text);
      once("problem", problemOf(view));
      if (!shownRows && view.results.sample.length > 0) {
        shownRows = true;
        for (const row of view.results.sample) line("result", row);
      }
      if (view.lag === undefined || now() - lagAt < LAG_EVERY_MS) return;
      lagAt = now();
      once("lag", `${view.lag.toLocaleString("en-US")} records behind`);
    },
    finished: ({ ok, title, ms, message }) => {
      const mark = ok ? paint(32, "✓", io) : paint(31, "✗", io);
      line("act", `${mark} ${title} (${(ms / 1000).toFixed(1)} s): ${message}`);
    },
  };
}

function stateOf({ job }: View): string | undefined {
  const status = job?.status;
  if (status?.state === undefined) return undefined;
  const { effective, ready } = status.parallelism ?? {};
  const step = status.operation === undefined ? "" : `, ${status.operation.type}: ${status.operation.step}`;
  return `${status.state}  workers ${ready ?? 0}/${effective ?? 0}${step}`;
}

function newDecisions({ job }: View, said: Map<string, string>): string[] {
  return (job?.status?.decisions ?? []).flatMap((d) => {
    const key = `decision/${d.actionId ?? `${d.at}/${d.rule}`}/${d.outcome}`;
    if (said.has(key)) return [];
    said.set(key, d.reason);
    return [`${d.policy ?? "-"}/${d.rule} ${d.outcome}: ${d.reason}`];
  });
}

function problemOf({ job }: View): string | undefined {
  const stalled = job?.status?.conditions?.find((c) => c.type === "Stalled" && c.status === "True");
  return stalled === undefined ? undefined : `${stalled.reason}: ${stalled.message}`;
}
