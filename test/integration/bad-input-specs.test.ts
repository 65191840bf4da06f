import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { datagenJob } from "../builders/datagen-job.ts";
import type { UserCluster } from "../servers/user-cluster.ts";
import { condition, startUserCluster, told } from "../servers/user-cluster.ts";

let cluster: UserCluster;
/** What the running job has for its uid, epoch and restarts before anything bad is sent. */
let before: string;

const identity = async (): Promise<string> => {
  const { status } = await cluster.see("StreamingJob", "patient");
  return JSON.stringify([status?.state, status?.jobId, status?.epoch, status?.restarts?.count ?? 0]);
};

beforeAll(async () => {
  cluster = await startUserCluster();
  await cluster.apply(datagenJob("patient"));
  await cluster.until("StreamingJob", "patient", (job) => condition(job, "Ready")?.status === "True");
  before = await identity();
});
afterAll(() => cluster.stop());

type Node = Record<string, unknown>;
const { nodes } = (datagenJob("any").spec as { pipeline: { nodes: [Node, Node, Node] } }).pipeline;
const [events, perTenant, out] = nodes;
const pipeline = (...some: Node[]): object => ({ pipeline: { nodes: some } });
/** The good pipeline with one node between its source and its window. */
const between = (node: Node, source = events): object =>
  pipeline(source, { name: "hot", from: ["events"], ...node }, { ...perTenant, from: ["hot"] }, out);
const withConnection = (connection: object): object => ({
  pipeline: { connections: [{ name: "main", ...connection }], nodes },
});

interface Rejected {
  readonly spec: object;
  readonly says: RegExp;
}

/** What `kubectl apply` itself refuses: nothing of it is ever stored. */
const rejected: Readonly<Record<string, Rejected>> = {
  "an unknown field": {
    spec: pipeline(events, { ...perTenant, filtr: "true" }, out),
    says: /strict decoding error: unknown field "spec\.pipeline\.nodes\[1\]\.filtr"/,
  },
  "a field of the wrong type": { spec: { parallelism: "three" }, says: /spec\.parallelism.*must be of type integer/ },
  "two programs": {
    spec: { definitionRef: "com.ops:etl:1.0" },
    says: /spec:.*a job has exactly one program: set one of pipeline, flink\.program or definitionRef/,
  },
  "no program": { spec: { pipeline: null }, says: /a job has exactly one program/ },
  "a missing from": {
    spec: pipeline(events, { ...perTenant, from: undefined }, out),
    says: /spec\.pipeline\.nodes\[1\]:.*every other node needs `from`, the list of the nodes it reads/,
  },
  "parallelism above maxParallelism": {
    spec: { parallelism: 9, maxParallelism: 4 },
    says: /spec:.*parallelism must not be above maxParallelism/,
  },
  "an inline password": {
    spec: withConnection({
      kafka: {
        brokers: ["b:9092"],
        sasl: { mechanism: "Plain", secretRef: { name: "kafka-user" }, password: "hunter2" },
      },
    }),
    says: /connections\[0\]\.kafka\.sasl:.*a password does not belong in a job: put it in a Secret and name it in secretRef/,
  },
  "a password in a URL": {
    spec: withConnection({ http: { url: "https://user:hunter2@example.com" } }),
    says: /connections\[0\]\.http\.url:.*a URL must not carry a user or password/,
  },
  "two nodes of one name": {
    spec: pipeline(events, perTenant, { ...out, name: "events" }),
    says: /spec\.pipeline\.nodes\[2\]: Duplicate value: \{"name":"events"\}/,
  },
};

interface Refused {
  readonly spec: object;
  readonly reason: string;
  /** All of these are in the condition's message. */
  readonly says: readonly string[];
}

const nested = "event.a.all(x, event.a.all(y, event.a.all(z, event.a.all(w, w > x))))";

/** What the API server stores and a condition answers. */
const refused: Readonly<Record<string, Refused>> = {
  "a cycle": {
    spec: pipeline(...nodes, { name: "a", from: ["b"], filter: "true" }, { name: "b", from: ["a"], filter: "true" }),
    reason: "InvalidPipeline",
    says: ["spec.pipeline.nodes[a].from: the nodes form a cycle: a → b → a", "let one of them read another node"],
  },
  "an input that is no node": {
    spec: pipeline(events, { ...perTenant, from: ["evnts"] }, out),
    reason: "InvalidPipeline",
    says: ['spec.pipeline.nodes[per-tenant].from: there is no node "evnts"; the nodes are events, per-tenant, out'],
  },
  "an unknown function": {
    spec: between({ filter: "size(event.tenant) > 1 && lengthOf(event.tenant) > 3" }),
    reason: "InvalidExpression",
    says: ['node "hot": line 1, column 27: there is no function "lengthOf"', "docs/reference/expressions.md"],
  },
  "a type error": {
    spec: between({ filter: "event.tenant > 3" }),
    reason: "InvalidExpression",
    says: ['node "hot": line 1, column', "> does not take string and int; convert one side with int(…)"],
  },
  "a field that the schema does not have": {
    spec: between({ filter: "event.tenent == 't-1'" }),
    reason: "InvalidExpression",
    says: ['node "hot": line 1, column 7', 'no field "tenent"', 'did you mean "tenant"?', "      ^"],
  },
  "an aggregate that is none": {
    spec: pipeline(events, { ...perTenant, aggregate: { hits: "cont()" } }, out),
    reason: "InvalidExpression",
    says: ['node "per-tenant", aggregate hits: "cont()" is not one call of count, sum, avg, min, max, first, last'],
  },
  "an expression over its budget": {
    spec: between({ filter: nested }, { ...events, schema: undefined }),
    reason: "ExpressionOverBudget",
    says: ['node "hot": the expression may take', "more than 100000; nest fewer loops"],
  },
  "a dead-letter output that nobody reads": {
    spec: between({ filter: "event.tenant == 't-1'", onError: "Dead" }),
    reason: "InvalidPipeline",
    says: ['[hot].onError: is Dead, but no node reads "hot.dead"', "add a node with from: [hot.dead], or set onError"],
  },
  "a credential in a parameter": {
    spec: { parameters: { db_password: "hunter2" } },
    reason: "InvalidSpec",
    says: ["spec.parameters.db_password: looks like a credential; put it in a Secret and use secretRef"],
  },
  "a connection that is not there": {
    spec: pipeline(events, perTenant, { ...out, sink: { connection: "mian", kafka: { topic: "t" } } }),
    reason: "InvalidPipeline",
    says: ['spec.pipeline.nodes[out].sink.connection: no connection is called "mian"'],
  },
  "a checkpoint folder on no volume": {
    spec: { checkpoint: { storage: { uri: "file:///data/state" } } },
    reason: "InvalidSpec",
    says: ["spec.checkpoint.storage.uri: file:///data/state is in no volume", "below /var/lib/weir"],
  },
  "more workers than the keys allow": {
    spec: { parallelism: 2, ...pipeline({ ...events, partitionedBy: undefined }, perTenant, out) },
    reason: "NotImplemented",
    says: ['node "per-tenant" keeps its keys in one worker', "Declare partitionedBy on its source"],
  },
  "the Flink engine": { spec: { engine: "Flink" }, reason: "NotImplemented", says: ["spec.engine: this version runs"] },
  "a sliding window that skips time": {
    spec: pipeline(events, { ...perTenant, window: { sliding: { size: "1s", every: "10s" } } }, out),
    reason: "InvalidPipeline",
    says: ["spec.pipeline.nodes[per-tenant].window.sliding.every: must not be longer than the size 1s"],
  },
  "a buffer before a source": {
    spec: pipeline({ ...events, buffer: { size: 10 } }, perTenant, out),
    reason: "InvalidPipeline",
    says: ['node "events" is a source, before which no buffer can stand'],
  },
  "a limit of memory for state that is in the worker's own": {
    spec: { state: { memoryLimit: "64Mi" } },
    reason: "InvalidSpec",
    says: ["spec.state.memoryLimit: is for backend RocksDB"],
  },
  "state that lives no time": {
    spec: { state: { ttl: "0s" } },
    reason: "InvalidSpec",
    says: ["spec.state.ttl: must be longer than 0"],
  },
  "savepoints by a schedule": {
    spec: { savepoint: { schedule: "0 0 * * *" } },
    reason: "NotImplemented",
    says: ["spec.savepoint.schedule: this version takes savepoints on request"],
  },
};

describe("a spec that kubectl apply refuses", () => {
  it.each(Object.entries(rejected))(
    "for %s says the place and the rule, for a new job and for one that runs",
    async (_, { spec, says }) => {
      for (const name of ["newcomer", "patient"]) {
        const { code, stderr } = await cluster.apply(datagenJob(name, spec));
        expect(code).toBe(1);
        expect(stderr).toMatch(says);
      }
      expect(await cluster.kubectl(["get", "sj", "-o", "name"])).toMatchObject({
        stdout: "streamingjob.weir.dev/patient\n",
      });
    },
  );
});

describe("a spec that a condition refuses", () => {
  const settled = async (name: string) => {
    const { metadata } = await cluster.see("StreamingJob", name);
    return cluster.until("StreamingJob", name, (job) => job.status?.observedGeneration === metadata.generation);
  };

  it.each(Object.entries(refused))("for %s says where, what and what to do", async (_, { spec, reason, says }) => {
    expect(await cluster.apply(datagenJob("newcomer", spec), datagenJob("patient", spec))).toMatchObject({ code: 0 });

    const fresh = await settled("newcomer");
    expect(fresh.status?.state).toBe("CREATED");
    expect(condition(fresh, "Stalled")).toMatchObject({ status: "True", reason });
    expect(condition(fresh, "Ready")).toMatchObject({ status: "False", reason });
    for (const part of says) expect(condition(fresh, "Stalled")?.message).toContain(part);

    await settled("patient");
    const running = await cluster.until("StreamingJob", "patient", (job) => condition(job, "Ready")?.status === "True");
    expect(condition(running, "Stalled")?.message).toBe(condition(fresh, "Stalled")?.message);
    expect(await identity()).toBe(before);
  });

  it("is told in an Event, and in the columns of kubectl get", async () => {
    const columns = await cluster.kubectl(["get", "sj", "newcomer", "-o", "wide"]);
    expect(columns.stdout).toMatch(/CREATED +False .*NotImplemented +spec\.savepoint\.schedule/);
    const described = async (): Promise<string> => (await cluster.kubectl(["describe", "sj", "newcomer"])).stdout;
    await expect.poll(described, { timeout: 60_000 }).toMatch(/Warning +NotImplemented .*spec\.savepoint\.schedule/);
  });

  it("is forgotten as soon as a good one comes: the new job starts, the running one never stopped", async () => {
    expect(await cluster.apply(datagenJob("newcomer"), datagenJob("patient"))).toMatchObject({ code: 0 });
    const fresh = await cluster.until("StreamingJob", "newcomer", (job) => condition(job, "Ready")?.status === "True");
    expect(told(fresh, "Stalled")).toBe("");
    expect(told(await settled("patient"), "Stalled")).toBe("");
    expect(await identity()).toBe(before);
  });
});
