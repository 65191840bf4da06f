/** A job that goes back to an older savepoint, or starts again, while its worker of before is still alive, as on a node that is cut off. */
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RestorePoint } from "../../src/api/worker-protocol.ts";
import type { SinkWriter } from "../../src/engine/connectors/connector.ts";
import { builtInConnectors, type ConnectorRegistry } from "../../src/engine/connectors/registry.ts";
import type { RunningSlot } from "../../src/engine/runtime/slot.ts";
import { countingPlan } from "../builders/counting-program.ts";
import { databaseOutside, kafkaOutside, type Outside } from "../builders/exactly-once-outside.ts";
import { runSlot, stopWithSavepoint } from "../builders/running-slot.ts";

const outsides: readonly [string, () => Promise<Outside>][] = [
  ["Kafka", kafkaOutside],
  ["PostgreSQL", () => databaseOutside("postgres")],
];

/** Sinks whose worker hears nothing more for a while, once they have claimed what it writes. */
const heldUp = (holdUp: () => Promise<void>): ConnectorRegistry => ({
  ...builtInConnectors,
  sink: async (name) => {
    const factory = await builtInConnectors.sink(name);
    return {
      ...factory,
      open: async (config, context) => {
        const writer = await factory.open(config, context);
        const committed: SinkWriter["committed"] = async (of, marked) => {
          const id = await writer.committed?.(of, marked);
          await holdUp();
          return id;
        };
        return Object.create(writer, { committed: { value: committed } }) as SinkWriter;
      },
    };
  },
});

describe.each(outsides)("a job that writes exactly once into %s and goes back to where it was before", (name, open) => {
  let outside: Outside;
  let folder = "";
  beforeAll(async () => {
    outside = await open();
  });
  afterAll(() => outside?.close());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "weir-older-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

  it("takes nothing more from workers that began after that savepoint, whatever epoch they are of", async () => {
    const place = await outside.place(`older_${name.toLowerCase()}`);
    const [sink] = place.sinks;
    const datagen = { splits: 2, rate: 2_000 };
    const plan = countingPlan({ datagen, ...(sink === undefined ? {} : { sink }) });
    const start = (epoch: number, restore: RestorePoint): Promise<RunningSlot> =>
      runSlot({
        plan,
        connectors: builtInConnectors,
        uri: `file://${folder}/state`,
        secret: outside.secret,
        epoch,
        restore,
        start: { lineage: name },
      });
    const goneOn = async (slot: RunningSlot): Promise<void> => {
      await expect.poll(() => slot.measure().totalIn, { timeout: 60_000 }).toBeGreaterThan(100);
      expect(await slot.checkpoint()).toMatchObject({ ok: true });
    };
    const first = await start(1, { kind: "none" });
    await goneOn(first);
    const older = await stopWithSavepoint([first], `file://${folder}/savepoint`);

    const cutOff = await start(2, older);
    await goneOn(cutOff);
    const [before] = await place.count();
    const again = await start(3, older);
    expect(await cutOff.checkpoint()).toMatchObject({ ok: false });
    await expect(cutOff.done).rejects.toMatchObject({
      code: expect.stringMatching(/TRANSACTION_LOST|WORKER_REFUSED/) as string,
    });
    expect((await place.count())[0]).toEqual(before);
    await goneOn(again);
    await again.stop("Checkpoint", false);
    writeFileSync(join(folder, `state/default/rollup/${name}/checkpoints/e3/origin.json`), "{");
    const afterDamage = await start(4, older);
    await goneOn(afterDamage);
    await afterDamage.stop("Cancel", false);
    await expect(start(2, older)).rejects.toMatchObject({ code: "WORKER_REFUSED" });
  });

  it("takes nothing from a worker that was cut off while it restored, and comes back beside the next epoch", async () => {
    const place = await outside.place(`restoring_${name.toLowerCase()}`);
    const [sink] = place.sinks;
    const plan = countingPlan({ datagen: { splits: 2, rate: 2_000 }, ...(sink === undefined ? {} : { sink }) });
    const start = (epoch: number, connectors: ConnectorRegistry): Promise<RunningSlot> =>
      runSlot({
        plan,
        connectors,
        uri: `file://${folder}/state`,
        secret: outside.secret,
        epoch,
        start: { lineage: `restoring-${name}` },
      });
    const [held, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const cutOff = start(
      2,
      heldUp(async () => {
        held.resolve();
        await goOn.promise;
      }),
    );
    await held.promise;
    const next = await start(3, builtInConnectors);
    goOn.resolve();
    const ended = await cutOff.then(
      async (slot) => {
        await expect.poll(() => slot.measure().totalIn, { timeout: 60_000 }).toBeGreaterThan(100);
        expect(await slot.checkpoint()).toMatchObject({ ok: false });
        return await slot.done.catch((e: unknown) => e);
      },
      (e: unknown) => e,
    );
    expect(ended).toMatchObject({ code: expect.stringMatching(/TRANSACTION_LOST|WORKER_REFUSED/) as string });
    expect((await place.count())[0]).toEqual({ total: 0, various: 0 });
    expect(await next.checkpoint()).toMatchObject({ ok: true });
    await next.stop("Cancel", false);
  });
});
