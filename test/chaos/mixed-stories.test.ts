/** Everything at once: many kinds of nodes, topics between workers, and whatever may happen to them in any order. */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mixedJob, TIMERS } from "../builders/mixed-job.ts";
import { MixedStory, type MixedFigures } from "../builders/mixed-story.ts";
import { podWorkers } from "../builders/pod-workers.ts";
import { random } from "../builders/random.ts";
import { startKafka, type KafkaServer } from "../servers/kafka.ts";

const LONG = process.env["WEIR_LONG"] === "1";
const SEEDS = Array.from({ length: LONG ? 60 : 2 }, (_, i) => i + 1);
const RECORDS = LONG ? 12_000 : 6_000;

const prices = createServer((request, response) => {
  const key = Number(request.url?.split("/k").at(-1));
  setTimeout(() => response.end(JSON.stringify({ cents: key * 100 })), 1 + (key % 13) * 3);
});
let kafka: KafkaServer;
beforeAll(async () => {
  kafka = await startKafka();
  await new Promise<void>((resolve) => prices.listen(0, "127.0.0.1", resolve));
});
const figures: MixedFigures & { stories: number } = { stories: 0, kills: 0, frozen: 0, savepoints: 0, epochs: 0 };
afterAll(async () => {
  console.log(`a job with everything, ${RECORDS} records each: ${JSON.stringify(figures)}`);
  prices.closeAllConnections();
  prices.close();
  await kafka?.close();
});
const pod = podWorkers();

it.each(SEEDS)(
  "gives each count and window once over kills, freezes, savepoints and rescales, story %i",
  async (seed) => {
    const r = random(seed);
    mkdirSync(join(pod.path, "functions"));
    writeFileSync(join(pod.path, "functions/timers.mjs"), TIMERS);
    const url = `http://127.0.0.1:${(prices.address() as AddressInfo).port}`;
    const job = await mixedJob(kafka, r, { url, records: RECORDS, name: `mixed-${seed}` });
    const story = new MixedStory(job, pod, r);
    await story.play();
    expect(await job.judge()).toEqual([]);
    figures.stories++;
    for (const of of ["kills", "frozen", "savepoints", "epochs"] as const) figures[of] += story.figures[of];
  },
);
