import { afterAll, beforeAll, describe, it } from "vitest";
import type { ApiServer } from "../../src/kube/credentials.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import { expectNoDifference, playEveryCrash } from "../builders/crash-points.ts";
import { SCENARIOS } from "../builders/crash-scenarios.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import type { Ground } from "../servers/weir-ground.ts";
import { startGround } from "../servers/weir-ground.ts";

const LONG = process.env["WEIR_LONG"] === "1";
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
      const played = await playEveryCrash(ground, scenario, { sample, atOnce: AT_ONCE });
      expectNoDifference(`${name}, ${scenario.name}`, played);
    });
  });
});
