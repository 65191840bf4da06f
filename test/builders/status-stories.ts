import type { KindName } from "../../src/api/group.ts";
import type { Stage, Version } from "../servers/status-stage.ts";
import { condition } from "../servers/status-stage.ts";
import { datagenJob, kafkaJob } from "./datagen-job.ts";
import { farSchedule } from "./far-schedule.ts";

/** A moment in the life of an object, as a fixture keeps it. */
export interface Moment {
  /** Of the fixture: `<kind>-<name>`. */
  readonly name: string;
  readonly version: Version;
}

/** One object's life; the recorder writes down what it passes to `keep`. */
export interface Story {
  readonly name: string;
  tell(stage: Stage, keep: (moment: Moment) => void): Promise<void>;
}

type Fits = (object: Version) => boolean;

const ready: Fits = (o) => condition(o, "Ready")?.status === "True";
const because =
  (reason: string): Fits =>
  (o) =>
    condition(o, "Ready")?.reason === reason;
const stalled =
  (reason: string): Fits =>
  (o) =>
    condition(o, "Stalled")?.reason === reason;
const during =
  (type: string, step?: string): Fits =>
  (o) =>
    o.status?.operation?.type === type && (step === undefined || o.status.operation.step === step);
const inState =
  (state: string): Fits =>
  (o) =>
    o.status?.state === state;
const unseen: Fits = (o) => (o.status?.observedGeneration ?? -1) < (o.metadata.generation ?? 0);
const running: Fits = (o) => inState("RUNNING")(o) && ready(o) && condition(o, "Checkpointing")?.status === "True";
const running2: Fits = (o) => running(o) && o.status?.parallelism?.ready === 2;

/** Keeps moments of one object. */
function diary(stage: Stage, keep: (moment: Moment) => void, kind: KindName, name: string) {
  return async (moment: string, fits: Fits): Promise<Version> => {
    const version = await stage.seen(kind, name, fits);
    keep({ name: `${kind.toLowerCase()}-${moment}`, version });
    return version;
  };
}

const object = (kind: KindName, name: string, spec: object): Version => ({
  apiVersion: "weir.dev/v1alpha1",
  kind,
  metadata: { name, namespace: "default" },
  spec,
});

const QUICK = { restart: { strategy: "FixedDelay", delay: "100ms", maxAttempts: -1 } };

const unattended: Story = {
  name: "objects that no operator has seen",
  tell: async (stage, keep) => {
    await stage.create(datagenJob("unattended"));
    await stage.create(object("ControlPolicy", "unattended", { jobs: ["x"], stopWhen: "event.type == 'failed'" }));
    await stage.create(
      object("MaintenanceWindow", "unattended", { jobs: ["x"], schedule: "0 2 * * 0", duration: "1h" }),
    );
    for (const kind of ["StreamingJob", "ControlPolicy", "MaintenanceWindow"] as const) {
      await diary(stage, keep, kind, "unattended")("new", () => true);
      await stage.remove(kind, "unattended");
    }
  },
};

const life: Story = {
  name: "a job's life by verbs and changes of its spec",
  tell: async (stage, keep) => {
    const name = "orders";
    const write = diary(stage, keep, "StreamingJob", name);
    let nonce = 0;
    const ask = (verb: string, value = `${(nonce += 1)}`) => stage.annotate(name, { [`weir.dev/${verb}`]: value });
    await stage.create(datagenJob(name, QUICK));
    await write("created", inState("CREATED"));
    await write("starting", during("Start", "AwaitRunning"));
    await write("running", running);

    await ask("scale", "2@1");
    await write("scaling", inState("SCALING"));
    await write("scaling-starts", (o) => inState("SCALING")(o) && during("Scale", "AwaitRunning")(o));
    await write("scaled-by-verb", running2);
    await ask("savepoint");
    await write("savepointing", during("Savepoint"));
    await stage.seen(
      "StreamingJob",
      name,
      (o) => o.status?.operation === undefined && o.status?.savepoint !== undefined,
    );
    await ask("pause");
    await write("paused", because("Paused"));
    await ask("resume");
    await stage.seen("StreamingJob", name, (o) => running2(o) && !because("Paused")(o));

    await stage.change("StreamingJob", name, { spec: { checkpoint: { interval: "400ms" } } });
    await write("unseen", unseen);
    await write("upgrading", during("Upgrade"));
    await stage.seen("StreamingJob", name, running2);
    await ask("restart");
    await write("restarting", during("Restart"));
    const { status } = await stage.seen("StreamingJob", name, running2);
    await stage.losePod(`${name}-${status?.epoch ?? 0}-0-0`);
    await write("recovering", during("Recover"));
    await stage.seen("StreamingJob", name, running2);

    await stage.annotate(name, { "weir.dev/pause-reconciliation": "true" });
    await write("left-alone", (o) => condition(o, "ReconciliationPaused") !== undefined);
    await stage.annotate(name, { "weir.dev/pause-reconciliation": null });
    await stage.seen("StreamingJob", name, (o) => condition(o, "ReconciliationPaused") === undefined);
    await stage.change("StreamingJob", name, { spec: { maxParallelism: 8 } });
    await write("forbidden-change", stalled("ForbiddenChange"));
    await stage.change("StreamingJob", name, { spec: { maxParallelism: 4 } });
    await stage.seen("StreamingJob", name, (o) => condition(o, "Stalled") === undefined);

    await ask("stop");
    await write("stopping", during("Stop"));
    await write("stopped-by-verb", (o) => inState("STOPPED")(o) && ready(o));
    await ask("start");
    await write("resuming", during("Start", "AwaitRunning"));
    await stage.seen("StreamingJob", name, running2);
    await stage.change("StreamingJob", name, { spec: { desiredState: "Stopped" } });
    await write("stopped-by-spec", (o) => inState("STOPPED")(o) && ready(o));
    await stage.change("StreamingJob", name, { spec: { desiredState: "Running" } });
    await stage.seen("StreamingJob", name, running2);
    await stage.remove("StreamingJob", name);
    await write("deleting", (o) => o.metadata.deletionTimestamp !== undefined && during("Delete")(o));
  },
};

const endings: Story = {
  name: "jobs that end",
  tell: async (stage, keep) => {
    const bounded = datagenJob("bounded");
    const { pipeline } = bounded.spec as { pipeline: { nodes: { source?: { datagen: object } }[] } };
    Object.assign(pipeline.nodes[0]?.source?.datagen ?? {}, { rate: 0, count: 20_000, eventRate: 1_000 });
    await stage.create(bounded);
    await diary(stage, keep, "StreamingJob", "bounded")("completed", because("Completed"));

    const savepoint = "file:///var/lib/weir/state/nothing-here";
    await stage.create(datagenJob("nowhere", { startFrom: { savepoint } }));
    await diary(stage, keep, "StreamingJob", "nowhere")("failed", inState("FAILED"));

    await stage.create(datagenJob("fragile", { restart: { strategy: "Never" } }));
    await stage.seen("StreamingJob", "fragile", running);
    await stage.losePod("fragile-1-0-0");
    await diary(stage, keep, "StreamingJob", "fragile")("restarts-exhausted", inState("FAILED"));

    await stage.create(datagenJob("asleep", { desiredState: "Stopped" }));
    await diary(stage, keep, "StreamingJob", "asleep")("never-started", inState("STOPPED"));
    for (const name of ["bounded", "nowhere", "fragile", "asleep"]) await stage.remove("StreamingJob", name);
  },
};

const rewound: Story = {
  name: "a job that should start from an older savepoint",
  tell: async (stage, keep) => {
    const name = "rewound";
    const inOperation: Fits = (o) => o.status?.operation !== undefined;
    await stage.create(datagenJob(name));
    await stage.seen("StreamingJob", name, running);
    await stage.annotate(name, { "weir.dev/savepoint": "1" });
    const saved: Fits = (o) => o.status?.savepoint !== undefined && !inOperation(o);
    const { status } = await stage.seen("StreamingJob", name, saved);
    await stage.annotate(name, { "weir.dev/stop": "1" });
    await stage.seen("StreamingJob", name, (o) => inState("STOPPED")(o) && ready(o));
    const startFrom = { savepoint: status?.savepoint?.uri };
    await stage.change("StreamingJob", name, { spec: { startFrom } });
    await stage.annotate(name, { "weir.dev/start": "1" });
    await diary(stage, keep, "StreamingJob", name)("state-at-risk", stalled("StateAtRisk"));
    await stage.remove("StreamingJob", name);
  },
};

const troubles: Story = {
  name: "jobs that cannot run",
  tell: async (stage, keep) => {
    const nodes = [
      { name: "events", source: { datagen: {} } },
      { name: "out", from: ["evnets"], sink: { blackhole: {} } },
    ];
    const cases: readonly [string, object, Fits][] = [
      ["invalid-pipeline", { pipeline: { nodes } }, stalled("InvalidPipeline")],
      ["not-implemented", { upgrade: { rollback: { enabled: true } } }, stalled("NotImplemented")],
      [
        "secret-missing",
        { worker: { env: [{ name: "USER_NAME", valueFrom: { secretKeyRef: { name: "gone", key: "user" } } }] } },
        because("SecretMissing"),
      ],
    ];
    for (const [name, spec, fits] of cases) {
      await stage.create(datagenJob(name, spec));
      await diary(stage, keep, "StreamingJob", name)(name, fits);
      await stage.remove("StreamingJob", name);
    }
    const name = "source-unreachable";
    await stage.create(kafkaJob(name, "127.0.0.1:1"));
    await diary(stage, keep, "StreamingJob", name)(name, because("SourceUnreachable"));
    await stage.remove("StreamingJob", name);
    await stage.create(datagenJob("forgetful", { checkpoint: { storage: { uri: "memory://" } } }));
    await diary(
      stage,
      keep,
      "StreamingJob",
      "forgetful",
    )("not-durable", (o) => ready(o) && condition(o, "StateSafe")?.reason === "NotDurable" && inState("RUNNING")(o));
    await stage.remove("StreamingJob", "forgetful");
  },
};

const ALWAYS = "event.type == 'metrics' && event.payload.lag >= 0";
const scaleTo = (parallelism: string): object => ({
  name: "up",
  condition: ALWAYS,
  action: "Scale",
  params: { parallelism },
});
const MAINTENANCE = {
  stopWhen: "event.type == 'maintenance.window.start'",
  restartWhen: "event.type == 'maintenance.window.end'",
};

const policies: Story = {
  name: "policies and the job that they act on",
  tell: async (stage, keep) => {
    const name = "governed";
    const policy = (kept: string, spec: object, fits: Fits): Promise<void> =>
      onePolicy(stage, keep, { kept, spec: { jobs: [name], ...spec }, fits });
    await stage.create(datagenJob(name));
    await stage.seen("StreamingJob", name, running);
    await policy("disabled", { mode: "Disabled", rules: [scaleTo("2")] }, because("Disabled"));
    await policy("dry-run", { mode: "DryRun", rules: [scaleTo("2")] }, because("DryRun"));
    await policy("no-matching-jobs", { jobs: ["nobody"], rules: [scaleTo("2")] }, because("NoMatchingJobs"));
    const misspelt = [{ ...scaleTo("2"), condition: "event.tpye == 'metrics'" }];
    await policy("invalid-expression", { rules: misspelt }, stalled("InvalidExpression"));
    await stage.create(object("ControlPolicy", "autoscale", { jobs: [name], rules: [scaleTo("2")] }));
    await diary(stage, keep, "ControlPolicy", "autoscale")("evaluating", (o) => because("Evaluating")(o) && !unseen(o));
    await diary(stage, keep, "StreamingJob", name)("scaled-by-policy", running2);
    // Of two, the one that comes second by name is told.
    await policy("conflict", { rules: [scaleTo("3")] }, stalled("PolicyConflict"));
    await stage.remove("ControlPolicy", "autoscale");
    await stage.remove("StreamingJob", name);
  },
};

async function onePolicy(
  stage: Stage,
  keep: (moment: Moment) => void,
  { kept, spec, fits }: { kept: string; spec: object; fits: Fits },
): Promise<void> {
  await stage.create(object("ControlPolicy", kept, spec));
  await diary(stage, keep, "ControlPolicy", kept)(kept, fits);
  await stage.remove("ControlPolicy", kept);
}

const windows: Story = {
  name: "maintenance windows and the job that makes way",
  tell: async (stage, keep) => {
    const name = "nightly";
    const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
    const window = async (kept: string, spec: object, fits: Fits): Promise<void> => {
      await stage.create(object("MaintenanceWindow", kept, { jobs: [name], ...spec }));
      await diary(stage, keep, "MaintenanceWindow", kept)(kept, fits);
    };
    const weekly = { schedule: farSchedule(), duration: "1h", timeZone: "Europe/Berlin" };
    await window("nobody-reacts", weekly, because("Scheduled"));
    await stage.create(datagenJob(name));
    await stage.create(object("ControlPolicy", "make-way", { jobs: [name], ...MAINTENANCE }));
    await stage.seen("StreamingJob", name, running);
    const reacts: Fits = (o) => condition(o, "NoConsumer")?.status === "False";
    await window("scheduled", weekly, (o) => because("Scheduled")(o) && reacts(o));
    await window("suspended", { ...weekly, suspend: true }, because("Suspended"));
    await window("invalid", { schedule: "0 2 30 2 *", duration: "1h" }, stalled("InvalidSpec"));
    await window("over", { start: at(-7_200_000), duration: "1h" }, because("Over"));
    await window("active", { start: at(-1_000), duration: "1h" }, (o) => because("Active")(o) && reacts(o));
    const write = diary(stage, keep, "StreamingJob", name);
    await write("stopped-for-maintenance", (o) => inState("STOPPED")(o) && ready(o));
    for (const kept of ["nobody-reacts", "scheduled", "suspended", "invalid", "over", "active"]) {
      await stage.remove("MaintenanceWindow", kept);
    }
    await stage.remove("ControlPolicy", "make-way");
    await stage.remove("StreamingJob", name);
  },
};

/** The first is told before there is an operator. */
export const stories: readonly Story[] = [unattended, endings, rewound, troubles, policies, windows, life];
