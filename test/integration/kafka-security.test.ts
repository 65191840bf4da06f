import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SourceReader } from "../../src/engine/connectors/connector.ts";
import type { KafkaConnectionConfig, SaslConfig, SaslMechanism } from "../../src/engine/connectors/kafka/config.ts";
import { openCluster } from "../../src/engine/connectors/kafka/cluster.ts";
import { kafkaSink } from "../../src/engine/connectors/kafka/sink.ts";
import { kafkaSource } from "../../src/engine/connectors/kafka/source.ts";
import { connectorContext, outRecord, type TestContext } from "../builders/connector-context.ts";
import { readUntil } from "../builders/read-records.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import { makeBrokerPki, saslSettings, setScramPassword, type BrokerPki } from "../servers/kafka-security.ts";

const PASSWORD = "canary-pässword,=1";
/** A broker reads those of PLAIN from its configuration, as Latin-1. */
const PLAIN_PASSWORD = "canary-plain";
const WRONG = "canary-wrong";
/** A login on this listener is good for so long (KIP-368). */
const LOGIN_MS = 3_000;

let dir: string;
let pki: BrokerPki;
let kafka: KafkaServer;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "weir-kafka-pki-"));
  pki = await makeBrokerPki(dir);
  const settings = {
    ...pki.settings,
    ...saslSettings("SASL_SSL", { plain: PLAIN_PASSWORD }),
    ...saslSettings("SASL_PLAINTEXT", { plain: PLAIN_PASSWORD }),
    "listener.name.sasl_plaintext.connections.max.reauth.ms": `${LOGIN_MS}`,
  };
  kafka = await startKafka(settings, ["SSL", "SASL_SSL", "SASL_PLAINTEXT"]);
  await setScramPassword(kafka.brokers[0] ?? "", "scram", PASSWORD);
  await kafka.createTopic("data", 2);
});
afterAll(async () => {
  await kafka?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** What the kubelet has mounted, by "kind/name/key". */
let mounted: Record<string, string>;
beforeEach(() => {
  mounted = {
    "ConfigMap/ca/ca.crt": pki.ca,
    "Secret/ca/ca.crt": pki.ca,
    "Secret/other/ca.crt": pki.otherCa,
    "Secret/client/tls.crt": pki.clientCert,
    "Secret/client/tls.key": pki.clientKey,
    "Secret/plain/username": "plain",
    "Secret/plain/password": PLAIN_PASSWORD,
    "Secret/scram/username": "scram\n",
    "Secret/scram/password": `${PASSWORD}\n`,
  };
});

function context(): TestContext {
  const plain = connectorContext();
  const referenced = (kind: string, name: string, key: string): string | undefined => mounted[`${kind}/${name}/${key}`];
  return { ...plain, source: { ...plain.source, referenced }, sink: { ...plain.sink, referenced } };
}

const caRef = { name: "ca", key: "ca.crt" };
const sasl = (mechanism: SaslMechanism): SaslConfig => ({
  mechanism,
  secretRef: { name: mechanism === "Plain" ? "plain" : "scram" },
});
const at = (protocol: string): { brokers: string[] } => ({ brokers: [kafka.listeners.get(protocol) ?? ""] });

async function openSource(connection: KafkaConnectionConfig, ctx: TestContext): Promise<SourceReader> {
  const config = { ...connection, topics: ["data"], startFrom: "Latest" };
  const splits = await kafkaSource.splits(config, ctx.source);
  return kafkaSource.open(
    config,
    splits.map((split) => ({ split, position: undefined })),
    ctx.source,
  );
}

/** Writes through the connection what it then reads through it. */
async function roundTrip(connection: KafkaConnectionConfig): Promise<void> {
  const ctx = context();
  const troubled = ctx
    .reported((problem) => /refuse|trust|tls/i.test(problem?.message ?? ""))
    .then(() => expect(ctx.problems).toEqual([]));
  await Promise.race([copy(connection, ctx), troubled]).finally(ctx.abort);
}

async function copy(connection: KafkaConnectionConfig, ctx: TestContext): Promise<void> {
  const reader = await openSource(connection, ctx);
  const writer = await kafkaSink.open({ ...connection, topic: "data" }, ctx.sink);
  const values = Array.from({ length: 2000 }, (_, i) => `value-${i}-${"x".repeat(i % 500)}`);
  for (const value of values) writer.append(outRecord(value, value, 1));
  await writer.flush();
  const found = await readUntil(reader, (all) => all.length >= values.length);
  expect(found.map((r) => `${r.value}`).toSorted()).toEqual(values.toSorted());
  await Promise.all([reader.close(), writer.close()]);
}

/** What the job's condition would say of a connection that cannot be opened. */
async function problemOf(connection: KafkaConnectionConfig, matches: RegExp): Promise<void> {
  const ctx = context();
  const opening = openSource(connection, ctx).catch((error: unknown) => error);
  await ctx.reported((problem) => problem !== undefined && matches.test(problem.message)).catch(() => undefined);
  ctx.abort();
  await opening;
  const said = JSON.stringify(ctx.problems);
  expect(ctx.problems.at(-1)).toMatchObject({ code: "SOURCE_UNREACHABLE" });
  for (const secret of [PASSWORD, PLAIN_PASSWORD, WRONG, "PRIVATE KEY"]) expect(said).not.toContain(secret);
}

describe("a secured connection", () => {
  it.each(["Plain", "ScramSha256", "ScramSha512"] as const)(
    "logs in with %s over TLS, reads and writes",
    async (mechanism) => {
      await roundTrip({ ...at("SASL_SSL"), tls: { caSecretRef: caRef }, sasl: sasl(mechanism) });
    },
  );

  it("shows a client certificate where the broker wants one, and takes the CA from a ConfigMap", async () => {
    await roundTrip({ ...at("SSL"), tls: { caRef, clientSecretRef: { name: "client" } } });
  });

  it("takes any certificate where insecureSkipVerify says so, and is encrypted all the same", async () => {
    const tls = { caSecretRef: { name: "other", key: "ca.crt" }, insecureSkipVerify: true };
    await roundTrip({ ...at("SASL_SSL"), tls, sasl: sasl("ScramSha256") });
  });

  it("renews its login before the broker ends it", async () => {
    const ctx = context();
    const cluster = openCluster({ ...at("SASL_PLAINTEXT"), sasl: sasl("ScramSha256") }, ctx.source);
    const connections = new Set<unknown>();
    const failures: unknown[] = [];
    for (const until = Date.now() + 60_000; connections.size < 4 && Date.now() < until; await setTimeout(20)) {
      connections.add(await cluster.any("control"));
      await cluster.metadata(["data"]).catch((error: unknown) => failures.push(error));
    }
    cluster.close();
    // A connection whose login had run out would answer with its end, every time; one is left to a machine that stands still.
    expect(connections.size).toBe(4);
    expect(failures.length, String(failures[0])).toBeLessThanOrEqual(1);
  });

  it("takes a rotated password from the Secret at the next connection", async () => {
    const ctx = context();
    const reader = await openSource({ ...at("SASL_PLAINTEXT"), sasl: sasl("ScramSha512") }, ctx);
    // The broker ends the login soon, and the old password is refused from then on.
    await setScramPassword(kafka.brokers[0] ?? "", "scram", "rotated");
    await ctx.reported(
      (problem) => problem?.message.includes('refuses the user and password of Secret "scram"') === true,
    );
    mounted["Secret/scram/password"] = "rotated";
    await kafka.produce({ topic: "data" }, [{ key: "a", value: "after" }]);
    expect((await readUntil(reader, (all) => all.length > 0)).map((r) => r.value)).toEqual(["after"]);
    await expect.poll(() => ctx.problems.at(-1), { timeout: 60_000 }).toBeUndefined();
    await reader.close();
    await setScramPassword(kafka.brokers[0] ?? "", "scram", PASSWORD);
  });
});

describe("a connection that cannot be secured says what to do, keeps trying and shows no credential:", () => {
  it("a wrong password", async () => {
    mounted["Secret/plain/password"] = WRONG;
    mounted["Secret/scram/password"] = WRONG;
    for (const mechanism of ["Plain", "ScramSha256"] as const) {
      const connection = { ...at("SASL_PLAINTEXT"), sasl: sasl(mechanism) };
      await problemOf(connection, /refuses the user and password of Secret "(plain|scram)" .*Correct the Secret/);
    }
  });

  it("a Secret without the key", async () => {
    delete mounted["Secret/plain/password"];
    await problemOf({ ...at("SASL_PLAINTEXT"), sasl: sasl("Plain") }, /Secret "plain" has no key "password"; add it/);
  });

  it("a CA that did not sign the broker's certificate", async () => {
    const tls = { caSecretRef: { name: "other", key: "ca.crt" } };
    await problemOf(
      { ...at("SASL_SSL"), tls, sasl: sasl("Plain") },
      /not signed by a CA that is trusted here; put the CA/,
    );
  });

  it("a certificate made for another name", async () => {
    const brokers = at("SASL_SSL").brokers.map((address) => address.replace("localhost", "127.0.0.1"));
    await problemOf({ brokers, tls: { caRef }, sasl: sasl("Plain") }, /not made for "127\.0\.0\.1"; use a name/);
  });

  it("a CA that is not PEM", async () => {
    mounted["Secret/ca/ca.crt"] = "nothing";
    await problemOf({ ...at("SASL_SSL"), tls: { caSecretRef: caRef } }, /is not sound PEM|not signed by a CA/);
  });

  it("no client certificate where the broker wants one", async () => {
    await problemOf({ ...at("SSL"), tls: { caRef } }, /name a Secret with tls.crt and tls.key in tls.clientSecretRef/);
  });

  it("a mechanism that the broker does not take, or a login that it does not want", async () => {
    await problemOf({ brokers: kafka.brokers, sasl: sasl("Plain") }, /wants no login on this port; remove sasl/);
  });

  it("TLS to a port without, and the other way round", async () => {
    await problemOf(
      { brokers: kafka.brokers, tls: { caRef } },
      /ends the TLS handshake; if this is a port without TLS/,
    );
    await problemOf(at("SSL"), /see tls and sasl of the connection/);
    await problemOf(at("SASL_PLAINTEXT"), /see tls and sasl of the connection/);
  });
});
