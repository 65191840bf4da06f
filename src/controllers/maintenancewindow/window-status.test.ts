import { describe, expect, it } from "vitest";
import { datagenJob } from "../../../test/builders/datagen-job.ts";
import type { WindowObject } from "../caches.ts";
import { policyView } from "../selection.ts";
import type { WeirObject } from "../weir-resources.ts";
import { windowStatus } from "./window-status.ts";

const NOON = Date.parse("2026-05-01T12:00:00Z");
const window = (spec: object): WindowObject => ({
  apiVersion: "weir.dev/v1alpha1",
  kind: "MaintenanceWindow",
  metadata: { name: "w", namespace: "default", generation: 3 },
  spec: { jobs: ["j"], ...spec },
});
const policy: WeirObject = {
  apiVersion: "weir.dev/v1alpha1",
  kind: "ControlPolicy",
  metadata: { name: "p", namespace: "default", uid: "p", generation: 1 },
  spec: { jobs: ["j"], stopWhen: "event.type == 'maintenance.window.start'" },
};
const jobs = (policies: WeirObject[]) => [
  { job: datagenJob("j"), policies: policies.flatMap((p) => policyView(p) ?? []) },
];
const status = (spec: object, policies = [policy], now = NOON) =>
  windowStatus({ window: window(spec), jobs: jobs(policies), now });
const condition = (view: ReturnType<typeof windowStatus>, type: string) =>
  view.status.conditions?.find((c) => c.type === type);

describe("a maintenance window's status", () => {
  it("says when it opens next, and asks to be looked at then", () => {
    const view = status({ schedule: "0 2 * * *", duration: "1h" });
    expect(view.status).toMatchObject({
      active: false,
      observedGeneration: 3,
      nextStart: "2026-05-02T02:00:00.000Z",
      jobs: ["j"],
    });
    expect(view.nextEdgeAt).toBe(Date.parse("2026-05-02T02:00:00Z"));
    expect(condition(view, "Ready")?.reason).toBe("Scheduled");
  });

  it("is active between its edges, and over afterwards", () => {
    const once = { start: "2026-05-01T11:00:00Z", end: "2026-05-01T13:00:00Z" };
    expect(status(once).status).toMatchObject({
      active: true,
      startedAt: "2026-05-01T11:00:00.000Z",
      nextEnd: "2026-05-01T13:00:00.000Z",
    });
    expect(condition(status(once, [policy], NOON + 7_200_000), "Ready")?.reason).toBe("Over");
  });

  it("warns when nobody reacts to it", () => {
    const daily = { schedule: "0 2 * * *", duration: "1h" };
    expect(condition(status(daily, []), "NoConsumer")?.status).toBe("True");
    expect(condition(status(daily), "NoConsumer")?.status).toBe("False");
  });

  it("stalls with the words of the check for a zone that does not exist", () => {
    const view = status({ schedule: "0 2 * * *", duration: "1h", timeZone: "Europe/Atlantis" });
    expect(condition(view, "Stalled")?.message).toContain("Europe/Atlantis");
    expect(view.status.active).toBe(false);
  });
});
