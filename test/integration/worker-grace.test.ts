/** What a worker does at a SIGTERM when the storage of its checkpoints has stopped answering. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { workerEnvironment } from "../../src/api/worker-protocol.ts";
import { systemClock } from "../../src/clock.ts";
import type { SinkFactory } from "../../src/engine/connectors/connector.ts";
import { builtInConnectors, type ConnectorRegistry } from "../../src/engine/connectors/registry.ts";
import { startWorker } from "../../src/worker/worker.ts";
import { countingPlan, countingProgram } from "../builders/counting-program.ts";
import { startDocumentOf } from "../builders/worker-process.ts";
import { startHttpFaults, type HttpFaults } from "../servers/http-faults.ts";
import { BUCKET, startS3, type S3Server } from "../servers/s3.ts";

const NEVER_MS = 60_000;
const GRACE_S = 4;
const GRACE_MS = GRACE_S * 1000;
let server: S3Server;
let faults: HttpFaults;
let root = "";
beforeAll(async () => {
  server = await startS3();
  faults = await startHttpFaults(server.endpoint);
});
afterAll(async () => {
  await faults?.stop();
  await server?.stop();
});
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "weir-grace-"));
});
afterEach(() => {
  faults.heal();
  rmSync(root, { recursive: true, force: true });
});

/** The built-in sinks; says when one was closed. */
function watched(closed: () => void): ConnectorRegistry {
  const watch = (factory: SinkFactory): SinkFactory => ({
    ...factory,
    open: async (config, context) => {
      const writer = await factory.open(config, context);
      const close = writer.close.bind(writer);
      writer.close = async () => {
        await close();
        closed();
      };
      return writer;
    },
  });
  return {
    ...builtInConnectors,
    source: (name) => builtInConnectors.source(name),
    sink: async (name) => watch(await builtInConnectors.sink(name)),
    lookup: (name) => builtInConnectors.lookup(name),
  };
}

const write = (path: string, text: string): void => {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
};

it.each([
  ["the last checkpoint", 0, 600_000, "in the grace period of 4 s: it was waiting for storage"],
  ["one that is being taken", 200, 600_000, "in the grace period of 4 s: it was waiting for storage"],
  ["the last checkpoint, which fails before,", 0, 1_500, "in 1500 ms"],
])(
  "closes its sinks and ends in its grace period when %s is never written, and says what it waited for",
  async (_, intervalMs, timeoutMs, why) => {
    const uri = `s3://${BUCKET}/grace-${intervalMs}-${timeoutMs}`;
    const objectStore = { endpoint: faults.url, secret: "s3-user" };
    const { checkpoint } = startDocumentOf();
    const start = startDocumentOf({ checkpoint: { ...checkpoint, timeoutMs, intervalMs, uri, objectStore } });
    write("etc/weir/plan/plan.json", JSON.stringify(countingPlan({ datagen: { splits: 2, rate: 2000 } })));
    write("etc/weir/plan/start.json", JSON.stringify(start));
    for (const [key, value] of Object.entries(server.credentials)) write(`etc/weir/secrets/s3-user/${key}`, value);
    const said: string[] = [];
    const log = {
      debug: () => {},
      info: () => {},
      warn: (_: object, text: string) => said.push(text),
      error: () => {},
    };
    let closed = 0;
    const worker = await startWorker({
      environment: workerEnvironment.parse({
        WEIR_SLOT: "0",
        WEIR_ATTEMPT: "0",
        WEIR_POD_IP: "127.0.0.1",
        WEIR_PORT: "0",
        WEIR_POD_ROOT: root,
        WEIR_SECRETS_DIR: "/etc/weir/secrets",
        WEIR_TERMINATION_LOG: "/termination-log",
        WEIR_GRACE_SECONDS: String(GRACE_S),
        WEIR_TOKEN_SHA256: createHash("sha256").update("token").digest("hex"),
      }),
      clock: systemClock,
      log,
      build: countingProgram,
      connectors: watched(() => closed++),
    });
    const ready = (): Promise<number> =>
      fetch(`http://127.0.0.1:${worker.address.port}/readyz`).then(
        (r) => r.status,
        () => 0,
      );
    await expect.poll(ready).toBe(200);
    faults.inject(/^PUT /, { waitMs: NEVER_MS }, Infinity);
    if (intervalMs > 0) await expect.poll(() => faults.strikes).toBeGreaterThan(0);
    const from = performance.now();
    worker.terminate();
    expect(await worker.exit).toBe(143);
    expect(performance.now() - from).toBeLessThan(GRACE_MS);
    expect(closed).toBe(1);
    const [text = "", ...more] = said.filter((each) => each.includes("no last checkpoint"));
    expect(more).toEqual([]);
    expect(text).toContain(why);
    expect(text).toContain(uri);
    expect(text).toMatch(/^no last checkpoint.*; the next worker goes on from the checkpoint before it$/);
  },
);
