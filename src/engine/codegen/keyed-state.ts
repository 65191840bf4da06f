import { KeyedTable } from "../keyed-state/keyed-table.ts";
import { stateOf } from "../keyed-state/state-of.ts";
import { TimedTable } from "../keyed-state/timed-table.ts";
import type { JoinNode } from "../joins/join-node.ts";
import type { JoinState } from "../joins/join-state.ts";
import { IntervalJoin } from "../joins/interval-join.ts";
import { TemporalJoin } from "../joins/temporal-join.ts";
import { UnboundedJoin } from "../joins/unbounded-join.ts";
import { WindowJoin } from "../joins/window-join.ts";
import type { PlanNode } from "../plan.ts";
import type { KeyedNode } from "../program.ts";
import { SessionState } from "../windows/session-state.ts";
import { WindowState } from "../windows/window-state.ts";
import type { Fire } from "../windows/window-state.ts";

/** State that generated code changes, and that the watermark moves on. */
export interface KeyedState extends KeyedNode {
  advance(watermark: number, fire: Fire): void;
}

/** The state of a node that has one. */
export function keyedState(node: PlanNode): KeyedState | undefined {
  return stateOf<KeyedState>(node, {
    sessions: (at, gapMs) => new SessionState(at, gapMs),
    windows: (at) => new WindowState(at),
    table: (options) =>
      options.trigger?.type === "time" ? new TimedTable(options, options.trigger.everyMs) : new KeyedTable(options),
    join: joinState,
  });
}

function joinState(node: JoinNode): JoinState | TemporalJoin {
  const { times } = node;
  switch (times.type) {
    case "window":
      return new WindowJoin(node, times.sizeMs);
    case "interval":
      return new IntervalJoin(node, times);
    case "unbounded":
      return new UnboundedJoin(node, times.ttlMs);
    case "temporal":
      return new TemporalJoin(node);
  }
}
