import { describe, expect, it } from "vitest";
import type { SinkContext, SinkWriter } from "../../src/engine/connectors/connector.ts";
import { isWeirError } from "../../src/errors.ts";
import { connectorContext, outRecord, type TestContext } from "./connector-context.ts";
import { prepare } from "./exactly-once-sink.ts";

/** A sink with an empty place of its own. Records are `{"id": n, "pad": text}`. */
export interface SinkUnderTest {
  open(context: SinkContext): Promise<SinkWriter>;
  /** The ids that a reader sees who reads only what is committed. */
  ids?(): Promise<readonly number[]>;
}

export interface SinkFacts {
  /** What a commit of an exactly-once sink waits for; none for a sink that is at least once. */
  readonly commits: "Decides" | "Follows" | "Never";
  /** It takes whatever comes. */
  readonly neverFull?: boolean;
  /** Opens it where nothing answers, and what its problem names. */
  readonly unreachable?: { open(context: SinkContext): Promise<SinkWriter>; readonly names: RegExp };
}

const MOST_BYTES = 64 * 1024 * 1024;
const PATIENCE = { timeout: 60_000 };
let lines = 0;

/** What every sink must do; call it inside a test file with a function that makes the sink. */
export function sinkContract(name: string, make: () => Promise<SinkUnderTest>, facts: SinkFacts): void {
  const exactlyOnce = facts.commits !== "Never";
  const put = (writer: SinkWriter, ids: readonly number[], pad = ""): void => {
    for (const id of ids) writer.append(outRecord(`${id}`, JSON.stringify({ id, pad }), 1));
  };
  const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  const seen = async ({ ids }: SinkUnderTest, wanted: readonly number[]): Promise<void> => {
    if (ids === undefined) return;
    // A broker answers a commit before all of its partitions have heard of it.
    await expect.poll(async () => (await ids()).toSorted((a, b) => a - b), PATIENCE).toEqual(wanted);
  };
  const line = (): Partial<SinkContext> => ({ lineage: `contract-${lines++}`, delivery: "ExactlyOnce" });
  const begin = async (sink: SinkUnderTest, who: Partial<SinkContext>, context: TestContext = connectorContext()) => {
    const writer = await sink.open({ ...context.sink, ...who });
    const committed = await writer.committed?.({ epoch: 1, slot: 0 }, 0);
    return { writer, committed };
  };

  describe(`${name} as a sink`, () => {
    it("has given away at a flush what was appended before it, and keeps nothing that it was lent", async () => {
      const sink = await make();
      const writer = await sink.open(connectorContext().sink);
      const lent = outRecord("1", "", 1);
      lent.value = Buffer.alloc(64);
      for (const id of range(0, 2_500)) {
        lent.end = lent.value.write(JSON.stringify({ id, pad: "" }), "utf8");
        writer.append(lent);
      }
      lent.value.fill("x");
      await writer.flush();
      await seen(sink, range(0, 2_500));
      expect(writer.counters()).toMatchObject({ records: 2_500 });
      expect(writer.counters().bytes).toBeGreaterThan(2_500 * 10);
      await writer.close();
    });

    it("takes records while a flush is under way, for the next one", async () => {
      const sink = await make();
      const writer = await sink.open(connectorContext().sink);
      put(writer, range(0, 10));
      const flushed = writer.flush();
      put(writer, range(10, 20));
      await flushed;
      await writer.flush();
      await seen(sink, range(0, 20));
      await writer.close();
    });

    it.skipIf(facts.neverFull === true)(
      "asks the sources to wait while it holds much, and calls them back",
      async () => {
        const sink = await make();
        const writer = await sink.open(connectorContext().sink);
        let wake = (): void => {};
        writer.onDrain(() => wake());
        const pad = "x".repeat(50_000);
        let n = 0;
        while (!writer.saturated() && n * pad.length < MOST_BYTES) put(writer, [n++], pad);
        expect(writer.saturated()).toBe(true);
        while (writer.saturated()) await new Promise<void>((resolve) => (wake = resolve));
        await writer.flush();
        await seen(sink, range(0, n));
        await writer.close();
      },
    );

    it("ends at once and more than once, whatever is still unwritten", async () => {
      const writer = await (await make()).open(connectorContext().sink);
      put(writer, range(0, 10));
      await writer.close();
      await writer.close();
    });

    it.runIf(exactlyOnce)("shows what a checkpoint covers at its commit, once, however often it is told", async () => {
      const sink = await make();
      const { writer } = await begin(sink, line());
      put(writer, [1, 2]);
      const handle = await prepare(writer, 1);
      put(writer, [3]);
      await seen(sink, []);
      await writer.commit?.(1, handle);
      if (facts.commits === "Follows") await writer.commit?.(1, handle);
      await seen(sink, [1, 2]);
      await writer.commit?.(2, await prepare(writer, 2));
      await writer.commit?.(3, await prepare(writer, 3));
      await seen(sink, [1, 2, 3]);
      await writer.close();
    });

    it.runIf(exactlyOnce)("gives what a failed checkpoint covers to the next one", async () => {
      const sink = await make();
      const { writer } = await begin(sink, line());
      put(writer, [1]);
      await prepare(writer, 1);
      put(writer, [2]);
      await writer.commit?.(2, await prepare(writer, 2));
      await seen(sink, [1, 2]);
      await writer.close();
    });

    it.runIf(exactlyOnce)("leaves to its successor exactly what counts", async () => {
      const sink = await make();
      const who = line();
      const { writer: first } = await begin(sink, who);
      put(first, [1]);
      const handles = [await prepare(first, 1)];
      await first.commit?.(1, handles[0]);
      put(first, [2]);
      handles.push(await prepare(first, 2));
      put(first, [3]);
      const { writer: second, committed } = await begin(sink, { ...who, attempt: 2 });
      if (facts.commits === "Follows")
        for (const handle of handles) await second.recover?.(handle, handle === handles[0]);
      else expect(committed).toBe(1);
      const kept = facts.commits === "Follows" ? [1, 2] : [1];
      await seen(sink, kept);
      put(second, [9]);
      await second.commit?.(3, await prepare(second, 3));
      // Where no system decides, the checkpoint storage keeps a worker that was replaced from its commit.
      if (facts.commits === "Decides") {
        const late = prepare(first, 3).then((handle) => first.commit?.(3, handle));
        await late.then(
          () => expect.unreachable("a worker that was replaced has committed"),
          (e: unknown) => expect(isWeirError(e), String(e)).toBe(true),
        );
      }
      await seen(sink, [...kept, 9]);
      await Promise.all([first.close(), second.close()]);
    });

    it.runIf(facts.unreachable !== undefined)(
      "says what it cannot reach and why, as a problem that may pass",
      async () => {
        const context = connectorContext();
        const told = context.reported((problem) => problem?.code === "SINK_UNREACHABLE");
        const attempt = async (): Promise<never> => {
          const writer = await facts.unreachable?.open(context.sink);
          if (writer !== undefined) put(writer, [1]);
          await writer?.flush();
          throw new Error("nothing is wrong");
        };
        const failed = attempt().catch((e: unknown) => e);
        const problem = await Promise.race([told.then(() => context.problems.at(-1)), failed]);
        expect(problem).toMatchObject({ code: "SINK_UNREACHABLE" });
        const { message = "" } = problem as { message?: string };
        expect(message).toMatch(facts.unreachable?.names as RegExp);
        expect(message).toMatch(/^\S.{2,}: .{3,}/);
        context.abort();
        await failed;
      },
    );
  });
}
