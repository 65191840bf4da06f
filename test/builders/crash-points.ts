import { expect as globalExpect } from "vitest";
import type { ExpectStatic } from "vitest";
import type { CrashPoint } from "../../src/local/faults/crash-point.ts";
import type { Ground } from "../servers/weir-ground.ts";
import { atOnce } from "./at-once.ts";
import type { Scenario, Told } from "./crash-story.ts";
import { playCrash, playReference } from "./crash-story.ts";

export interface Plays {
  /** How many of the crash points of a scenario are played. */
  readonly sample: number;
  /** Stories mostly wait: for a checkpoint, for a look at a savepoint, for the end of a worker. */
  readonly atOnce: number;
}

export interface Played {
  readonly reference: Told;
  readonly points: readonly CrashPoint[];
  readonly runs: readonly Run[];
}

/** C1: the operator is killed before and after each of its writes, and the story must end as if nothing had happened. */
export async function playEveryCrash(ground: Ground, scenario: Scenario, plays: Plays): Promise<Played> {
  const reference = await playReference(ground, scenario, `${scenario.name}-0`);
  const points = sampled(crashPoints(reference), plays.sample);
  return { reference, points, runs: await playAll(ground, scenario, { reference, points, atOnce: plays.atOnce }) };
}

/** Says what was found, and fails where a story ended otherwise. */
export function expectNoDifference(
  what: string,
  { reference, points, runs }: Played,
  expect: ExpectStatic = globalExpect,
): void {
  const different = runs.filter(({ told }) => JSON.stringify(told.facts) !== JSON.stringify(reference.facts));
  const crashed = points.filter((point) => runs.some((run) => run.of === point && run.told.crashed)).length;
  console.log(
    `C1 on ${what}: N = ${reference.writes.length} (${reference.writes.join(", ")}); ${runs.length} runs, ${crashed} of ${points.length} points struck, ${different.length} differences`,
  );
  for (const { point, told } of different.slice(0, 3)) {
    expect.soft(told.facts, `${point.when} of write ${point.write}, ${told.writes.at(-1)}`).toEqual(reference.facts);
  }
  expect(different.length).toBe(0);
  // One of few may be missed: a run on a busy machine has other writes than its reference.
  expect(crashed).toBeGreaterThanOrEqual(Math.floor(0.7 * points.length));
}

interface Run {
  /** The point of the reference that it is for. */
  readonly of: CrashPoint;
  readonly point: CrashPoint;
  readonly told: Told;
}

function crashPoints(reference: Told): CrashPoint[] {
  return reference.writes.flatMap((_, i): CrashPoint[] => [
    { write: i + 1, when: "BeforeAcknowledgement" },
    { write: i + 1, when: "AfterAcknowledgement" },
  ]);
}

/** Evenly spread, and of both kinds. */
function sampled(points: readonly CrashPoint[], size: number): CrashPoint[] {
  const step = Math.max(1, points.length / size);
  return points.filter((_, i) => Math.floor(i / step) !== Math.floor((i - 1) / step));
}

async function playAll(
  ground: Ground,
  scenario: Scenario,
  { reference, points, atOnce: number }: { reference: Told; points: readonly CrashPoint[]; atOnce: number },
): Promise<Run[]> {
  const runs: Run[] = [];
  const play = async (of: CrashPoint, point: CrashPoint, namespace: string): Promise<Told> => {
    const told = await playCrash(ground, scenario, { namespace, point, reference });
    runs.push({ of, point, told });
    return told;
  };
  const strike = async (point: CrashPoint): Promise<void> => {
    const namespace = `${scenario.name}-${point.write}-${point.when.slice(0, 3).toLowerCase()}`;
    const { crashed, writes } = await play(point, point, namespace);
    // What one run writes twice another one writes once, when more has happened until it looks: its points are nearer.
    const write = Math.ceil(writes.length * 0.75);
    if (!crashed) await play(point, { ...point, write }, `${namespace}-nearer`);
  };
  await atOnce(
    number,
    points.map((point) => () => strike(point)),
  );
  return runs;
}
