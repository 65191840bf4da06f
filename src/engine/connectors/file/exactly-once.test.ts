import { link, mkdtemp, readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectorContext } from "../../../../test/builders/connector-context.ts";
import { prepare, put, wakeWithinCommit } from "../../../../test/builders/exactly-once-sink.ts";
import type { SinkContext, SinkWriter } from "../connector.ts";
import { fileSink } from "./sink.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-file-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const open = (who: Partial<SinkContext> = {}, config: object = {}): Promise<SinkWriter> => {
  const { sink } = connectorContext();
  return fileSink.open({ path: folder, ...config }, { ...sink, delivery: "ExactlyOnce", ...who });
};
const hidden = async (): Promise<string[]> => (await readdir(folder)).filter((f) => f.startsWith(".")).toSorted();
const visible = async (): Promise<string[]> => (await readdir(folder)).filter((f) => !f.startsWith(".")).toSorted();
const part = (number: number, attempt = 1): string => `part-node-lineage-e1-s0-a${attempt}-${number}.ndjson`;

describe("the file sink with ExactlyOnce", () => {
  it("shows a part when its checkpoint is committed, and again changes nothing", async () => {
    const writer = await open();
    put(writer, "1", "2");
    const first = await prepare(writer, 1);
    put(writer, "3");
    await writer.flush();
    expect(await visible()).toEqual([]);
    await writer.commit?.(1, first);
    await writer.commit?.(1, first);
    expect(await visible()).toEqual([part(0)]);
    expect(await readFile(join(folder, part(0)), "utf8")).toBe("1\n2\n");
    await writer.commit?.(2, await prepare(writer, 2));
    expect(await readFile(join(folder, part(1)), "utf8")).toBe("3\n");
    expect(await hidden()).toEqual([]);
    await writer.close();
  });

  it("keeps what a failed checkpoint has ended for the next one, and shows nothing where nothing came", async () => {
    const writer = await open();
    put(writer, "1");
    await prepare(writer, 1);
    put(writer, "2");
    await writer.commit?.(2, await prepare(writer, 2));
    expect(await visible()).toEqual([part(0), part(1)]);
    await writer.commit?.(3, await prepare(writer, 3));
    expect(await visible()).toHaveLength(2);
    await writer.close();
  });

  it("ends a part at its size and at its age, and shows it with its checkpoint", async () => {
    const writer = await open({}, { rollSize: 10, rollInterval: "20ms" });
    put(writer, "12345", "67890", "1");
    await writer.flush();
    put(writer, "2");
    await writer.flush();
    while ((await hidden()).length < 3) {
      put(writer, "3");
      await writer.flush();
    }
    expect(await visible()).toEqual([]);
    await writer.commit?.(1, await prepare(writer, 1));
    expect((await visible()).length).toBeGreaterThanOrEqual(3);
    await writer.close();
  });

  it("publishes for a worker that was killed before, between or after the two steps, however many do it", async () => {
    const killed = await open();
    put(killed, "0");
    const handle = await prepare(killed, 1);
    const finish = async (attempt: number): Promise<void> => {
      const writer = await open({ attempt });
      await writer.recover?.(handle, false);
      await writer.close();
    };
    await link(join(folder, `.${part(0)}.inprogress`), join(folder, part(0)));
    await Promise.all([2, 3, 4].map(finish));
    await finish(5);
    expect(await readdir(folder)).toEqual([part(0)]);
  });

  it("puts delivery at risk where a part has gone before it was published, and names it", async () => {
    const killed = await open({}, { rollSize: 1 });
    put(killed, "0");
    await killed.flush();
    put(killed, "1");
    const handle = await prepare(killed, 1);
    await unlink(join(folder, `.${part(1)}.inprogress`));
    const writer = await open({ attempt: 2 });
    const lost = writer.recover?.(handle, false);
    await expect(lost).rejects.toMatchObject({ code: "DELIVERY_AT_RISK" });
    await expect(lost).rejects.toThrow(`${folder}/${part(1)}. Somebody has removed it`);
    // What was published may be taken away by whoever reads it.
    await writer.recover?.(handle, true);
    await writer.close();
  });

  it("never replaces a file", async () => {
    const writer = await open();
    put(writer, "1");
    const handle = await prepare(writer, 1);
    await writeFile(join(folder, part(0)), "somebody else's");
    await expect(writer.commit?.(1, handle)).rejects.toThrow(`${part(0)} is there already, and is another file`);
    expect(await readFile(join(folder, part(0)), "utf8")).toBe("somebody else's");
    await writer.close();
  });

  it("does not use the number of a published part again after its process came back, wherever the file is now", async () => {
    const before = await open();
    put(before, "1");
    const handle = await prepare(before, 1);
    await before.commit?.(1, handle);
    await before.close();
    await rename(join(folder, part(0)), join(folder, "taken"));
    const writer = await open();
    await writer.recover?.(handle, true);
    put(writer, "2");
    await writer.commit?.(2, await prepare(writer, 2));
    expect(await visible()).toEqual([part(1), "taken"]);
    await writer.close();
  });

  it("removes what workers before it left with its first commit, so that they can publish nothing more", async () => {
    const [zombie, neighbour] = [await open(), await open({ slot: 1 })];
    put(zombie, "zombie");
    put(neighbour, "neighbour");
    const [theirs, other] = [await prepare(zombie, 1), await prepare(neighbour, 1)];
    put(zombie, "more");
    await zombie.flush();
    const writer = await open({ attempt: 2 });
    put(writer, "1");
    await writer.commit?.(1, await prepare(writer, 1));
    put(writer, "2");
    await writer.commit?.(2, await prepare(writer, 2));
    await expect(zombie.commit?.(1, theirs)).rejects.toMatchObject({ code: "DELIVERY_AT_RISK" });
    await expect(prepare(zombie, 2)).rejects.toThrow(/was removed while it was written/);
    await neighbour.commit?.(1, other);
    expect(await visible()).toEqual([part(0, 2), part(1, 2), "part-node-lineage-e1-s1-a1-0.ndjson"]);
    await Promise.all([zombie, neighbour, writer].map((w) => w.close()));
  });

  it("publishes what each slot of the epoch before left, and removes nothing of it before", async () => {
    const killed = await Promise.all([0, 1, 2].map((slot) => open({ slot })));
    const handles: unknown[] = [];
    for (const [slot, writer] of killed.entries()) {
      put(writer, String(slot));
      handles.push(await prepare(writer, 1));
    }
    const writer = await open({ epoch: 2 });
    for (const handle of handles) {
      await writer.recover?.(handle, false);
      // Meanwhile a restore notes that the commits of this one are made.
      await pause(50);
    }
    expect(await visible()).toHaveLength(3);
    await Promise.all([...killed, writer].map((w) => w.close()));
  });

  it("removes nothing of whoever has followed it, when it wakes up within its first commit", async () => {
    await wakeWithinCommit((attempt) => open({ attempt }));
    expect(await visible()).toEqual([part(0), part(0, 2), part(1, 2)]);
  });
});
