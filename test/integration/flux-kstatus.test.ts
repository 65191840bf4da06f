import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { controlPolicies, maintenanceWindows, streamingJobs } from "../../src/controllers/weir-resources.ts";
import type { Resource } from "../../src/kube/resource.ts";
import type { RunningOperator } from "../../src/main/operator.ts";
import type { Version } from "../servers/status-stage.ts";
import type { StatusFixture } from "../fixtures/status/fixtures.ts";
import { allFixtures, readFixture } from "../fixtures/status/fixtures.ts";
import { startReader } from "../servers/docs-page.ts";
import { goModule } from "../servers/go-module.ts";
import { kstatusOf } from "../servers/kstatus.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import { toolBinary } from "../servers/tools.ts";
import type { Ground } from "../servers/weir-ground.ts";
import { startGround } from "../servers/weir-ground.ts";

const fixtures = allFixtures();
const words = (all: readonly StatusFixture[], of: (fixture: StatusFixture, i: number) => string | undefined) =>
  all.map((fixture, i) => `${fixture.name}: ${of(fixture, i)}`);

beforeAll(async () => {
  await toolBinary("kstatus"); // built here, outside of any test's time
}, 1_800_000);

describe("what Flux makes of a status", () => {
  it("is the expected for every recorded one", async () => {
    const seen = await kstatusOf(fixtures.map((f) => f.object));
    expect(words(fixtures, (_, i) => seen[i]?.status)).toEqual(words(fixtures, (f) => f.expected.kstatus));
  });

  it("agrees with Argo CD's health", () => {
    const agrees: Readonly<Record<string, readonly string[]>> = {
      Healthy: ["Current"],
      Suspended: ["Current"],
      Progressing: ["InProgress", "Terminating"],
      Degraded: ["Failed"],
    };
    expect(fixtures.filter(({ expected }) => agrees[expected.health]?.includes(expected.kstatus) !== true)).toEqual([]);
  });

  it("agrees with the conditions that people wait for", () => {
    const ready = ({ object }: StatusFixture): boolean =>
      object.metadata.deletionTimestamp === undefined &&
      object.status?.observedGeneration === object.metadata.generation &&
      object.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True") === true &&
      object.status.conditions.every((c) => c.type !== "Stalled" && c.type !== "Reconciling");
    expect(words(fixtures, (f) => String(ready(f)))).toEqual(
      words(fixtures, (f) => String(f.expected.kstatus === "Current")),
    );
  });
});

describe("on a real API server", () => {
  let plane: ControlPlane;
  let ground: Ground;
  let operator: RunningOperator | undefined;
  beforeAll(async () => {
    plane = await startControlPlane();
    await applyCrds(plane);
    ground = await startGround(plane.server);
  });
  afterAll(async () => {
    await operator?.stop();
    await ground?.stop();
    await plane?.stop();
  });

  const NEW: readonly (readonly [Resource, string])[] = [
    [streamingJobs, "streamingjob-new"],
    [controlPolicies, "controlpolicy-new"],
    [maintenanceWindows, "maintenancewindow-new"],
  ];
  const ref = { namespace: "default", name: "flux" };
  const get = (resource: Resource): Promise<Version> => ground.client.get<Version>(resource, ref);
  const until = async (resource: Resource, what: string, isSo: (object: Version) => Promise<boolean>) => {
    for (const deadline = Date.now() + 90_000; ; await delay(100)) {
      const object = await get(resource);
      if (await isSo(object)) return;
      if (Date.now() > deadline) throw new Error(`never ${what}: ${JSON.stringify(object, null, 1)}`);
    }
  };

  it.each(NEW)("a new object is not Current before an operator has seen it: $kind", async (resource, fixture) => {
    const { apiVersion, kind, spec } = readFixture(fixture).object;
    await ground.client.create<Version>(resource, { apiVersion, kind, metadata: ref, spec });
    const created = await get(resource);
    expect(created.status).toEqual({ observedGeneration: -1 });
    expect((await kstatusOf([created]))[0]?.status).toBe("InProgress");
  });

  it("they become Current once they are looked after", async () => {
    operator = await ground.operator("default");
    for (const [resource] of NEW) {
      await until(resource, "Current", async (object) => (await kstatusOf([object]))[0]?.status === "Current");
    }
  });

  it.each(NEW)("a request to look at an object again is echoed in its status: $kind", async (resource) => {
    const at = new Date().toISOString();
    await ground.client.patch(resource, ref, { metadata: { annotations: { "reconcile.weir.dev/requestedAt": at } } });
    await until(resource, "echoed", (object) => Promise.resolve(object.status?.lastHandledReconcileAt === at));
    expect((await get(resource)).metadata.generation).toBe(1);
  });

  it("the example is taken with Flux's own definitions, and taken away again", async () => {
    const definitions = await Promise.all(FLUX.map(async ([module, file]) => join(await goModule(module), file)));
    await applyCrds(plane, ...definitions);
    const reader = await startReader(plane.kubeconfigPath);
    try {
      await reader.follow("install/flux.md");
    } finally {
      reader.stop();
    }
  });
});

const FLUX = [
  ["github.com/fluxcd/source-controller@v1.7.0", "config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml"],
  ["github.com/fluxcd/helm-controller@v1.4.0", "config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml"],
  ["github.com/fluxcd/kustomize-controller@v1.7.3", "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"],
] as const;
