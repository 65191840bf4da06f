import type { Measured } from "./peers/peer.ts";
import type { Row } from "./protocol.ts";

/** The bench's tables as Markdown, as they are in docs/performance.md. */
export type Figure = readonly [name: string, value: string, goal?: string];

const thousands = (n: number): string => (n / 1000).toFixed(0);
const times = (n: number): string => n.toFixed(n < 10 ? 2 : 1);

function line(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** The first peer is ours, the others are what it is compared with. */
export function rowTable(peers: readonly string[], rows: readonly Row[]): string {
  const [ours = "", ...others] = peers.map((peer) => peer.split(" ")[0] as string);
  const heads = [
    "work",
    ours,
    ...others,
    "× J",
    "goal",
    ...others.flatMap((other) => [`× ${other}`, "goal"]),
    ...[ours, ...others].flatMap((peer) => [`${peer} wall`, `${peer} MiB`]),
    "load",
  ];
  return [line(heads), line(heads.map(() => "---")), ...rows.map((row) => line(cellsOf(row)))].join("\n");
}

function cellsOf({ workload, sides, j, load }: Row): string[] {
  const [ours, ...others] = sides;
  const rate = (side: Side): string => (isMeasured(side) ? thousands(side.perCpuSecond) : (side ?? ""));
  const ratio = (to: number | undefined): string =>
    isMeasured(ours) && to !== undefined ? times(ours.perCpuSecond / to) : "";
  return [
    `${workload.name}: ${workload.what}`,
    ...sides.map(rate),
    ratio(j),
    workload.goal.j === undefined ? "" : `${workload.goal.j}`,
    ...others.flatMap((other) => [ratio(isMeasured(other) ? other.perCpuSecond : undefined), `${workload.goal.flink}`]),
    ...sides.flatMap((side) =>
      isMeasured(side) ? [thousands(side.perWallSecond), side.peakMiB.toFixed(0)] : ["", ""],
    ),
    load,
  ];
}

type Side = Measured | string | undefined;
const isMeasured = (side: Side): side is Measured => typeof side === "object";

export function figureTable(figures: readonly Figure[]): string {
  const lines = figures.map(([name, value, goal = ""]) => line([name, value, goal]));
  return [line(["figure", "value", "goal"]), line(["---", "---", "---"]), ...lines].join("\n");
}
