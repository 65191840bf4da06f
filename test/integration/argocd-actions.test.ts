import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERBS } from "../../src/api/group.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import type { Resource } from "../../src/kube/resource.ts";
import type { Transport } from "../../src/kube/transport.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { controlPolicies, maintenanceWindows, streamingJobs } from "../../src/controllers/weir-resources.ts";
import { allFixtures, readFixture } from "../fixtures/status/fixtures.ts";
import type { LuaQuestion, ResourceAction } from "../servers/argocd-lua.ts";
import { askArgo, askedArgo } from "../servers/argocd-lua.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";
import { toolBinary } from "../servers/tools.ts";

const fixtures = allFixtures();
const names = (actions: readonly ResourceAction[] = []): string[] => actions.map((a) => a.name).toSorted();
const TIME = expect.stringMatching(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/) as string;
const annotation = (name: string, value: unknown): object => ({ metadata: { annotations: { [name]: value } } });

/** What each action changes, and nothing else. */
const PATCHES: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  StreamingJob: {
    ...Object.fromEntries(VERBS.map((verb) => [verb, annotation(`weir.dev/${verb}`, TIME)])),
    scale: annotation("weir.dev/scale", expect.stringMatching(/^3@\d{4}-/)),
    "pause-reconciliation": annotation("weir.dev/pause-reconciliation", "true"),
    "resume-reconciliation": annotation("weir.dev/pause-reconciliation", null),
    reconcile: annotation("reconcile.weir.dev/requestedAt", TIME),
  },
  ControlPolicy: {
    enforce: { spec: { mode: "Enforce" } },
    "dry-run": { spec: { mode: "DryRun" } },
    disable: { spec: { mode: "Disabled" } },
    reconcile: annotation("reconcile.weir.dev/requestedAt", TIME),
  },
  MaintenanceWindow: {
    suspend: { spec: { suspend: true } },
    resume: { spec: { suspend: null } },
    reconcile: annotation("reconcile.weir.dev/requestedAt", TIME),
  },
};
/** Of scale. */
const parameters = { parallelism: "3" };

/** Every action that is enabled for a recorded status. */
const enabled = fixtures.flatMap(({ name, expected, object }) =>
  expected.actions.map((run) => ({ name, question: { run, object, parameters } satisfies LuaQuestion })),
);

beforeAll(async () => {
  await toolBinary("argocd"); // built here, outside of any test's time
}, 1_800_000);

describe("the actions that Argo CD offers", () => {
  it("are those that are possible in each recorded status, the others are disabled", async () => {
    const answers = await askedArgo<ResourceAction[]>(fixtures.map(({ object }) => ({ run: "actions", object })));
    const seen = fixtures.map(({ name }, i) => [name, names(answers[i]?.filter((a) => a.disabled !== true))]);
    expect(seen).toEqual(fixtures.map(({ name, expected }) => [name, expected.actions]));
    for (const [i, { object }] of fixtures.entries()) {
      expect(names(answers[i])).toEqual(Object.keys(PATCHES[object.kind] ?? {}).toSorted());
    }
  });

  it("are each enabled in some recorded status", () => {
    const all = Object.entries(PATCHES).flatMap(([kind, of]) => Object.keys(of).map((run) => `${kind} ${run}`));
    const possible = new Set(enabled.map(({ question }) => `${question.object.kind} ${question.run}`));
    expect(all.filter((action) => !possible.has(action))).toEqual([]);
  });

  it("change what they are for and nothing else", async () => {
    const patches = await askedArgo<object>(enabled.map(({ question }) => question));
    for (const [i, { name, question }] of enabled.entries()) {
      expect(patches[i], `${name} ${question.run}`).toEqual(PATCHES[question.object.kind]?.[question.run]);
    }
    console.log(`${enabled.length} actions on ${fixtures.length} recorded statuses give the expected patch`);
  });

  it("refuse a parallelism that is none", async () => {
    const { object } = readFixture("streamingjob-running");
    const wrong = ["0", "-1", "1.5", "5", "many", ""];
    const answers = await askArgo(
      [...wrong.map((parallelism) => ({ parallelism })), {}].map((given) => ({
        run: "scale",
        object,
        parameters: given,
      })),
    );
    for (const answer of answers) {
      expect(answer.error).toContain("parallelism must be a whole number from 1 to 4 (spec.maxParallelism)");
    }
  });
});

describe("a real API server", () => {
  let plane: ControlPlane;
  let transport: Transport;
  let client: KubeClient;
  beforeAll(async () => {
    plane = await startControlPlane();
    await applyCrds(plane);
    transport = createTransport({ server: plane.server });
    client = createKubeClient(transport);
  });
  afterAll(async () => {
    await transport?.close();
    await plane?.stop();
  });

  const RESOURCES: Readonly<Record<string, Resource>> = Object.fromEntries(
    [streamingJobs, controlPolicies, maintenanceWindows].map((resource) => [resource.kind, resource]),
  );

  it("takes every recorded object and status, and the patch of every action, with strict validation", async () => {
    const patches = await askedArgo<object>(enabled.map(({ question }) => question));
    for (const { name, object } of fixtures) {
      const resource = RESOURCES[object.kind] as Resource;
      const { annotations } = object.metadata;
      const metadata = { name, namespace: "default", ...(annotations === undefined ? {} : { annotations }) };
      const strict = { fieldValidation: "Strict" } as const;
      const created = await client.create(resource, { ...object, metadata }, strict);
      const stored = await client.updateStatus(resource, { ...created, status: object.status }, strict);
      expect(stored, name).toMatchObject({ spec: object.spec, status: object.status });
      const mine = enabled.flatMap(({ name: of, question }, i) =>
        of === name ? [{ question, patch: patches[i] }] : [],
      );
      await Promise.all(
        mine.map(({ question, patch = {} }) =>
          client.patch(resource, metadata, patch, { ...strict, dryRun: true }).catch((e: unknown) => {
            throw new Error(`${name} ${question.run}: ${JSON.stringify(patch)}`, { cause: e });
          }),
        ),
      );
    }
  });
});
