import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { streamingJobs } from "../../src/controllers/weir-resources.ts";
import { WeirError } from "../../src/errors.ts";
import { pods } from "../../src/kube/resource.ts";
import { expectNoDifference, playEveryCrash } from "../builders/crash-points.ts";
import {
  counted,
  createExchanged,
  EXCHANGED,
  exchangedScenario,
  interruptedScenario,
  outputOf,
} from "../builders/exchanged-story.ts";
import { JOB } from "../builders/job-facts.ts";
import { startEmbeddedGround } from "../servers/embedded-ground.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";
import type { Ground } from "../servers/weir-ground.ts";

/** All scenarios are played at once. */
const PLAYS = process.env["WEIR_LONG"] === "1" ? { sample: Infinity, atOnce: 3 } : { sample: 3, atOnce: 1 };

const answers = createServer((_request, response) => void response.end("{}"));
const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
let kafka: KafkaServer;
let ground: Ground;
let end: () => Promise<void>;
beforeAll(async () => {
  await new Promise<void>((listening) => void answers.listen(0, "127.0.0.1", listening));
  const [embedded, started] = await Promise.all([startEmbeddedGround(), startKafka()]);
  kafka = started;
  ({ ground, stop: end } = embedded);
});
afterAll(async () => {
  await end?.();
  answers.close();
  await kafka?.close();
});

describe("a job whose keys go through Kafka to its workers", () => {
  it("goes on at once when a worker is lost while a savepoint waits for it", async () => {
    const namespace = "lost";
    await ground.open(namespace);
    const job = (): JobObject | undefined => ground.jobs.get(`${namespace}/${JOB}`);
    const output = outputOf(namespace);
    let lost = false;
    const operator = await ground.operator(namespace, {
      workerInterceptor: async (call, next) => {
        const isFirst = call.pod === `${JOB}-1-1-0` && call.path === "/v1/savepoints" && !lost;
        if (!isFirst) return await next();
        lost = true;
        await ground.client.delete(pods, { namespace, name: call.pod }, { gracePeriodSeconds: 0 });
        throw new WeirError("WORKER_UNREACHABLE", "it is gone before it hears of the savepoint");
      },
    });
    const { do: create, arrived } = createExchanged({ kafka });
    await create(ground, namespace);
    await ground.until("running", () => arrived(job()), job);
    await counted(kafka, output, 0);
    const annotations = { "weir.dev/savepoint": "1" };
    await ground.client.patch(streamingJobs, { namespace, name: JOB }, { metadata: { annotations } });
    const outcome = (): string | undefined => job()?.status?.requests?.find((r) => r.verb === "savepoint")?.outcome;
    await ground.until("given up", () => outcome() === "Failed", job);
    expect(lost).toBe(true);
    // More than were on their way: sources of both workers are read, and not only when checkpoint.timeout is over.
    await counted(kafka, output, (await counted(kafka, output)) + 30);
    await operator.stop();
    await ground.clear(namespace);
  });

  describe("when its operator crashes", () => {
    it.concurrent.for(EXCHANGED)(
      "during %s ends as if nothing had happened, with every record counted once",
      async (name, { expect: expectHere }) => {
        const played = await playEveryCrash(ground, exchangedScenario({ kafka }, name), PLAYS);
        expectNoDifference(`a job with an exchange, ${name}`, played, expectHere);
      },
    );

    it.concurrent.for(["savepoint", "stop", "drain"] as const)(
      "during a %s amid which a worker restarts ends as if nothing had happened",
      async (name, { expect: expectHere }) => {
        const scenario = interruptedScenario({ kafka, answers: addressOf(answers) }, name);
        const played = await playEveryCrash(ground, scenario, PLAYS);
        expectNoDifference(`a job with a lookup before its exchange, interrupted ${name}`, played, expectHere);
      },
    );
  });
});
