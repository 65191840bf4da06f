import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ApiServer } from "../../src/local/api-server/start.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import { answerDifferences } from "../servers/answer-differences.ts";
import { createObject, crdObjects } from "../servers/crd-objects.ts";
import { exceptionFor } from "../servers/embedded-exceptions.ts";
import type { ControlPlane } from "../servers/kubernetes.ts";
import { startControlPlane } from "../servers/kubernetes.ts";
import type { RecordedCall } from "../servers/recording-proxy.ts";
import { replay } from "../servers/replay.ts";

const folder = join(import.meta.dirname, "../fixtures/recorded-calls");
const recordings = readdirSync(folder).filter((file) => file.endsWith(".ndjson"));

function callsOf(recording: string): RecordedCall[] {
  const lines = readFileSync(join(folder, recording), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as RecordedCall);
}

describe("the embedded API server beside a real one", () => {
  let real: ControlPlane;
  let embedded: ApiServer;

  beforeAll(async () => {
    [real, embedded] = await Promise.all([startControlPlane({ controllers: true }), startApiServer()]);
    for (const crd of crdObjects()) {
      await Promise.all([createObject(real, crd), createObject({ url: embedded.url }, crd)]);
    }
  });

  afterAll(async () => {
    await Promise.all([real?.stop(), embedded?.stop()]);
  });

  it.each(recordings)("gives the same answers to the recorded calls of %s", async (recording) => {
    const calls = callsOf(recording);
    const [expected, actual] = await Promise.all([replay(calls, real), replay(calls, { url: embedded.url })]);
    const excused = new Map<string, number>();
    const unexplained: string[] = [];
    for (const [i, answer] of expected.entries()) {
      const other = actual[i];
      if (other === undefined) throw new Error(`call ${i} has no answer`);
      for (const difference of answerDifferences(answer, other)) {
        const exception = exceptionFor(answer.call, difference);
        if (exception === undefined)
          unexplained.push(`${i} ${answer.call.method} ${answer.call.path}\n    ${difference}`);
        else excused.set(exception, (excused.get(exception) ?? 0) + 1);
      }
    }
    console.log(
      `${recording}: ${calls.length} calls compared, ${unexplained.length} differences, ${excused.size} listed exceptions`,
    );
    for (const [exception, times] of excused) console.log(`  ${times} × ${exception}`);
    expect(unexplained).toEqual([]);
  });
});
