import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CrashPoint } from "../../src/local/faults/crash-point.ts";
import type { ApiServer } from "../../src/kube/credentials.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import { atOnce } from "../builders/at-once.ts";
import { SCENARIOS } from "../builders/crash-scenarios.ts";
import type { Scenario, Told } from "../builders/crash-story.ts";
import { playCrash, playReference } from "../builders/crash-story.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { Ground } from "../servers/weir-ground.ts";
import { startGround } from "../servers/weir-ground.ts";

const LONG = process.env["WEIR_LONG"] === "1";
/** The runs mostly wait: for a checkpoint, for a look at a savepoint, for the end of a worker. */
const AT_ONCE = 24;

interface Target {
  readonly name: string;
  /** How many of the crash points of a scenario are played. */
  readonly sample: number;
  start(): Promise<{ server: ApiServer; stop(): Promise<void> }>;
}

const targets: readonly Target[] = [
  {
    name: "the embedded API server",
    sample: Infinity,
    start: async () => {
      const api = await startApiServer();
      for (const crd of crdObjects()) await createObject(api, crd);
      return { server: fixedServer(api.url), stop: () => api.stop() };
    },
  },
  {
    name: "kube-apiserver",
    sample: LONG ? Infinity : 4,
    start: async () => {
      const plane = await startControlPlane({ controllers: ["garbage-collector-controller"] });
      await applyCrds(plane);
      return plane;
    },
  },
];

describe.each(targets)("on $name", ({ name, sample, start }) => {
  let ground: Ground;
  let end: () => Promise<void>;

  beforeAll(async () => {
    const api = await start();
    ground = await startGround(api.server);
    end = async () => {
      await ground.stop();
      await api.stop();
    };
  });
  afterAll(() => end());

  describe.each(SCENARIOS)("a crash during $name", (scenario) => {
    it("ends as if nothing had happened, wherever it strikes", async () => {
      const reference = await playReference(ground, scenario, `${scenario.name}-0`);
      const points = sampled(crashPoints(reference), sample);
      const runs = await playAll(ground, scenario, { reference, points });
      const different = runs.filter(({ told }) => JSON.stringify(told.facts) !== JSON.stringify(reference.facts));
      const crashed = points.filter((point) => runs.some((run) => run.of === point && run.told.crashed)).length;
      console.log(
        `C1 on ${name}, ${scenario.name}: N = ${reference.writes.length} (${reference.writes.join(", ")}); ${runs.length} runs, ${crashed} of ${points.length} points struck, ${different.length} differences`,
      );
      for (const { point, told } of different.slice(0, 3)) {
        expect
          .soft(told.facts, `${point.when} of write ${point.write}, ${told.writes.at(-1)}`)
          .toEqual(reference.facts);
      }
      expect(different.length).toBe(0);
      expect(crashed).toBeGreaterThan(0.7 * points.length);
    });
  });
});

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
  { reference, points }: { reference: Told; points: readonly CrashPoint[] },
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
    AT_ONCE,
    points.map((point) => () => strike(point)),
  );
  return runs;
}
