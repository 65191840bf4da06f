/** A Kafka that allows users what its ACLs say: what a job needs of it, and what it says where that is missing. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Admin } from "@platformatic/kafka";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import type { Plan } from "../../src/engine/plan.ts";
import { planPipeline } from "../../src/engine/planner/plan-pipeline.ts";
import { discardExchanges } from "../../src/engine/runtime/discard-exchanges.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { runSlot } from "../builders/running-slot.ts";
import { startDocumentOf } from "../builders/worker-process.ts";
import { makeBrokerPki, saslSettings, type BrokerPki } from "../servers/kafka-security.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";

const ANY = 1;
const TOPIC = 2;
const GROUP = 3;
const TRANSACTIONAL_ID = 5;
const LITERAL = 3;
const PREFIXED = 4;
const OPERATIONS = { Read: 3, Write: 4, Create: 5, Delete: 6, Describe: 8 } as const;
const ALLOW = 3;

interface Right {
  readonly operation: keyof typeof OPERATIONS;
  readonly resourceType: 2 | 3 | 5;
  readonly resourceName: string;
  readonly resourcePatternType: 3 | 4;
}
const right = (
  operation: Right["operation"],
  resourceType: Right["resourceType"],
  resourceName: string,
  resourcePatternType: Right["resourcePatternType"] = PREFIXED,
): Right => ({ operation, resourceType, resourceName, resourcePatternType });

/** As docs/reference/connectors/kafka.md has them, of a job "default/<job>" that reads "in" and writes "out" ExactlyOnce. */
const rightsOf = (job: string): Readonly<Record<string, Right>> => ({
  source: right("Read", TOPIC, "in", LITERAL),
  sink: right("Write", TOPIC, "out", LITERAL),
  "sink's marker": right("Read", TOPIC, "out", LITERAL),
  progress: right("Read", GROUP, `weir.default.${job}.events`, LITERAL),
  // Its lineage is called like the job.
  markers: right("Read", GROUP, `weir.${job}.`),
  transactions: right("Write", TRANSACTIONAL_ID, "weir."),
  create: right("Create", TOPIC, `weir.default.${job}.`),
  read: right("Read", TOPIC, `weir.default.${job}.`),
  write: right("Write", TOPIC, `weir.default.${job}.`),
  delete: right("Delete", TOPIC, `weir.default.${job}.`),
});

/** What is left out, by the user that has all but that, and what the job must say. */
const LACKING: readonly (readonly [string, RegExp])[] = [
  ["source", /allow the user (Describe|Read) on topic in$/m],
  ["sink", /allow the user (Describe|Write) on (the )?topic/],
  ["progress", /shows no progress.*allow the user Read on group weir\.default\.lacks-progress\.events/],
  ["markers", /allow the user Read on group weir\.lacks-markers\./],
  ["transactions", /allow the user Write on transactional id weir\./],
  ["create", /allow the user Create on topic weir\.default\.lacks-create\.counted\.g1.*that begin with weir\./],
  ["read", /allow the user Read on topic weir\.default\.lacks-read\.counted\.g1/],
  ["write", /allow the user Write on/],
];
const userOf = (lack: string): string => `lacks-${lack}`;
const PASSWORD = "canary-plain";
const EVENTS = 600;

let dir: string;
let pki: BrokerPki;
let kafka: KafkaServer;
const running: RunningSlot[] = [];
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "weir-kafka-acls-"));
  pki = await makeBrokerPki(dir);
  const users = ["etl", userOf("delete"), ...LACKING.map(([lack]) => userOf(lack))];
  kafka = await startKafka(
    {
      ...pki.settings,
      ...saslSettings("SASL_SSL", Object.fromEntries(users.map((user) => [user, PASSWORD]))),
      "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
      // Whoever comes by the listener without security: the broker itself, and this test.
      "super.users": "User:ANONYMOUS",
    },
    ["SASL_SSL"],
  );
  await kafka.createTopic("in", 3);
  await kafka.createTopic("out", 1);
  await kafka.produce(
    { topic: "in" },
    Array.from({ length: EVENTS }, (_, i) => ({ key: `${i}`, value: JSON.stringify({ key: `k${i % 20}` }) })),
  );
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((slot) => slot.stop("Cancel", false)));
});
afterAll(async () => {
  await kafka?.close();
  rmSync(dir, { recursive: true, force: true });
});

async function allow(user: string, rights: readonly Right[]): Promise<void> {
  const admin = new Admin({ clientId: "weir-test", bootstrapBrokers: [...kafka.brokers] });
  try {
    await admin.createAcls({
      creations: rights.map(({ operation, ...target }) => ({
        ...target,
        principal: `User:${user}`,
        host: "*",
        operation: OPERATIONS[operation],
        permissionType: ALLOW,
      })),
    });
    // The broker takes them on a moment later.
    const filter = {
      resourceType: ANY,
      resourceName: null,
      resourcePatternType: ANY,
      principal: `User:${user}`,
      host: null,
      operation: ANY,
      permissionType: ANY,
    } as const;
    const inForce = async (): Promise<number> =>
      (await admin.describeAcls({ filter })).reduce((sum, { acls }) => sum + acls.length, 0);
    await expect.poll(inForce, { timeout: 60_000 }).toBe(rights.length);
  } finally {
    await admin.close();
  }
}

function planned(): Plan {
  const connection = {
    brokers: [kafka.listeners.get("SASL_SSL") ?? ""],
    tls: { caSecretRef: { name: "ca", key: "ca.crt" } },
    sasl: { mechanism: "Plain" as const, secretRef: { name: "user" } },
  };
  return planPipeline(
    {
      connections: [{ name: "main", kafka: connection }],
      nodes: [
        { name: "events", source: { connection: "main", kafka: { topics: ["in"] } } },
        { name: "counted", from: ["events"], keyBy: "event.key", aggregate: { n: "count()" } },
        { name: "out", from: ["counted"], sink: { connection: "main", kafka: { topic: "out", key: "event.key" } } },
      ],
    },
    { parameters: {}, maxParallelism: 4, delivery: "ExactlyOnce" },
  );
}

const secretsOf =
  (user: string) =>
  (name: string, key: string): string | undefined =>
    new Map([
      ["ca/ca.crt", pki.ca],
      ["user/username", user],
      ["user/password", PASSWORD],
    ]).get(`${name}/${key}`);

/** Two workers of a job that has the name of its user; what they say of their troubles. */
async function launch(user: string): Promise<{ said: string[]; started: Promise<RunningSlot[]> }> {
  const said: string[] = [];
  const start = async (slot: number): Promise<RunningSlot> => {
    const made = await runSlot({
      plan: planned(),
      connectors: builtInConnectors,
      build: compile,
      uri: `memory://acls-${user}`,
      slot,
      slots: 2,
      checkpoint: { intervalMs: 200, timeoutMs: 60_000 },
      secret: secretsOf(user),
      start: { job: user, lineage: user, exchange: { generation: 1, owner: "uid1" } },
      listener: {
        problem: (problem) => void (problem !== undefined && said.push(problem.message)),
        warning: (text) => void said.push(text),
      },
    });
    running.push(made);
    made.done.catch((e: unknown) => said.push(String(e)));
    return made;
  };
  const started = Promise.all([0, 1].map(start));
  started.catch((e: unknown) => said.push(String(e)));
  return { said, started };
}

describe("a job on a Kafka with ACLs, over TLS and with a login", () => {
  it("needs no more than the documentation says for its keys to go to their workers", async () => {
    await allow("etl", Object.values(rightsOf("etl")));
    const { said, started } = await launch("etl");
    await started;
    const results = async (): Promise<number> => (await kafka.consumeAll("out")).length;
    await expect.poll(results, { timeout: 90_000 }).toBe(EVENTS);
    // A broker that has just started has other troubles.
    expect(said.filter((text) => text.includes("AUTHORIZATION"))).toEqual([]);
    expect(await kafka.topics()).toContain("weir.default.etl.counted.g1-uid1");
    await Promise.all(running.splice(0).map((slot) => slot.stop("Checkpoint", false)));
    const start = startDocumentOf({ job: "etl" });
    const signal = AbortSignal.timeout(60_000);
    const mounted = { secret: secretsOf("etl"), configMap: () => undefined, resolvePath: (path: string) => path };
    const deleted = await discardExchanges({ plan: planned(), start, ...mounted, clock: systemClock, signal });
    expect(deleted).toEqual(["weir.default.etl.counted.g1-uid1"]);
  });

  it("says that the right to delete is missing when its topics should go, and leaves them", async () => {
    const user = userOf("delete");
    const { delete: _, ...others } = rightsOf(user);
    await allow(user, Object.values(others));
    const topic = `weir.default.${user}.counted.g1-uid1`;
    await kafka.createTopic(topic, 4);
    const start = startDocumentOf({ job: user });
    const mounted = { secret: secretsOf(user), configMap: () => undefined, resolvePath: (path: string) => path };
    // Until it has been told so: a broker that has just started has other troubles.
    const discarded = async (): Promise<unknown> => {
      const signal = AbortSignal.timeout(5_000);
      const made = discardExchanges({ plan: planned(), start, ...mounted, clock: systemClock, signal });
      return await made.catch((e: unknown) => String(e));
    };
    await expect.poll(discarded, { timeout: 90_000 }).toContain(`allow the user Delete on topic ${topic}`);
    expect(await kafka.topics()).toContain(topic);
  });

  it.each(LACKING)("says which right is missing without that of %s", async (lack, message) => {
    const user = userOf(lack);
    const { [lack]: _, ...others } = rightsOf(user);
    // A right to read what it writes would let the user describe it.
    await allow(
      user,
      lack === "sink" ? Object.values(others).filter((r) => r.resourceName !== "out") : Object.values(others),
    );
    const { said } = await launch(user);
    await expect.poll(() => said.join("\n"), { timeout: 90_000 }).toMatch(message);
  });
});
