import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ZodType } from "zod";
import { controlPolicyStatus } from "../../src/api/control-policy.schema.ts";
import { maintenanceWindowStatus } from "../../src/api/maintenance-window.schema.ts";
import { streamingJobStatus } from "../../src/api/streaming-job-status.schema.ts";
import type { Moment } from "../builders/status-stories.ts";
import { stories } from "../builders/status-stories.ts";
import { allFixtures, readFixture } from "../fixtures/status/fixtures.ts";
import type { Stage, Version } from "../servers/status-stage.ts";
import { startStage } from "../servers/status-stage.ts";

const STATUSES: Readonly<Record<string, ZodType>> = {
  StreamingJob: streamingJobStatus,
  ControlPolicy: controlPolicyStatus,
  MaintenanceWindow: maintenanceWindowStatus,
};

describe("a recorded status", () => {
  it.each(allFixtures())("fits the schema: $name", ({ object }) => {
    expect(STATUSES[object.kind]?.safeParse(object.status).error).toBeUndefined();
  });
});

/** Whether a checkpoint is there by then depends on the machine. */
const TIMELY = ["StateSafe", "Checkpointing"];

/** What a tool looks at, without what differs from run to run. */
const outline = ({ metadata, status }: Version) => ({
  seen: (status?.observedGeneration ?? -1) >= (metadata.generation ?? 0),
  deleting: metadata.deletionTimestamp !== undefined,
  state: status?.state,
  operation: status?.operation?.type,
  overrides: status?.overrides?.map((o) => `${o.field}=${o.value}`),
  conditions: status?.conditions
    ?.filter((c) => !TIMELY.includes(c.type))
    .map((c) => `${c.type}=${c.status} ${c.reason}`)
    .toSorted(),
});

/** The short ones; scripts/record-statuses.ts plays them all. */
const REPLAYED = ["objects that no operator has seen", "jobs that end", "policies and the job that they act on"];

describe("a new recording", () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage();
  });
  afterAll(() => stage?.stop());

  it("has the same statuses as the kept one", async () => {
    const again: Moment[] = [];
    for (const [i, story] of stories.entries()) {
      if (i === 1) await stage.startOperator();
      if (REPLAYED.includes(story.name)) await story.tell(stage, (moment) => again.push(moment));
    }
    expect(again.length).toBeGreaterThan(10);
    const outlines = (of: (moment: Moment) => Version) => again.map((m) => [m.name, outline(of(m))]);
    expect(outlines((m) => m.version)).toEqual(outlines((m) => readFixture(m.name).object));
    console.log(`${again.length} statuses recorded again are the same`);
  });
});
