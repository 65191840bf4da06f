import { link, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectorContext, outRecord } from "../../../../test/builders/connector-context.ts";
import type { PlanSink } from "../../plan.ts";
import type { SinkContext, SinkFactory, SinkWriter } from "../connector.ts";
import { builtInConnectors } from "../registry.ts";
import { sinkFactory } from "./factories.ts";

/** What a user may write: a class with fields of its own, and a file for each flush. */
class Pages implements SinkWriter {
  readonly #at: string;
  readonly #who: string;
  readonly #total = { records: 0, bytes: 0 };
  #lines: string[] = [];
  #pages: string[] = [];
  #count = 0;
  constructor(at: string, { lineage, epoch, slot, attempt }: SinkContext) {
    this.#at = at;
    this.#who = [lineage, epoch, slot, attempt].join("-");
  }
  append({ value, start, end }: Parameters<SinkWriter["append"]>[0]): void {
    this.#lines.push(value.toString("utf8", start, end));
    this.#total.records++;
    this.#total.bytes += end - start;
  }
  saturated(): boolean {
    return false;
  }
  onDrain(): void {}
  async flush(): Promise<void> {
    await this.prepare();
  }
  async prepare(): Promise<unknown> {
    const page = `${this.#who}-${this.#count++}`;
    const text = this.#lines.splice(0).map((line) => `${line}\n`);
    this.#pages.push(page);
    await writeFile(join(this.#at, `.${page}`), text.join(""));
    return { pages: [...this.#pages] };
  }
  async commit(_checkpoint: number, handle: unknown): Promise<void> {
    const { pages: names } = handle as { pages: string[] };
    for (const page of names) await publish(join(this.#at, `.${page}`), join(this.#at, page));
    this.#pages = this.#pages.filter((page) => !names.includes(page));
  }
  async recover(handle: unknown, finished: boolean): Promise<void> {
    if (!finished) await this.commit(0, handle);
  }
  counters(): { records: number; bytes: number } {
    return this.#total;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

async function publish(from: string, to: string): Promise<void> {
  const there = await stat(to).then(
    () => true,
    () => false,
  );
  if (there) return;
  await link(from, to).catch((cause: unknown) => {
    throw Object.assign(new Error(`${to} has gone`, { cause }), { code: "DELIVERY_AT_RISK" });
  });
}

let root = "";
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "weir-pages-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const pages = (at: string): SinkFactory => ({ open: (_config, ctx) => Promise.resolve(new Pages(at, ctx)) });

/** As a worker gets it from a module. */
async function imported(sink: SinkFactory, context: SinkContext): Promise<SinkWriter> {
  const fn = { name: "pages", module: { path: "/pages.mjs" }, export: "pages" };
  const plan = { node: "out", connector: "custom", config: { function: fn, config: {} } } as unknown as PlanSink;
  const importModule = () => Promise.resolve({ exports: { pages: sink }, url: "file:///pages.mjs" });
  const { factory, config } = await sinkFactory(plan, { connectors: builtInConnectors, importModule });
  return await factory.open(config, context);
}

describe("a user's sink with ExactlyOnce", () => {
  const record = (value: string) => outRecord(null, value, 0);
  const exactly = (attempt = 1): SinkContext => ({ ...connectorContext().sink, delivery: "ExactlyOnce", attempt });
  const prepare = async (writer: SinkWriter): Promise<unknown> => {
    const flushed = writer.flush();
    const [handle] = await Promise.all([writer.prepare?.(1), flushed]);
    return JSON.parse(JSON.stringify(handle)) as unknown;
  };
  const shown = async (): Promise<string> => {
    const names = (await readdir(root)).filter((name) => !name.startsWith("."));
    return (await Promise.all(names.toSorted().map((name) => readFile(join(root, name), "utf8")))).join("");
  };

  it("commits what its checkpoint remembers, by itself or by its successor", async () => {
    const writer = await imported(pages(root), exactly());
    writer.append(record("1"));
    const first = await prepare(writer);
    expect(await shown()).toBe("");
    await writer.commit?.(1, first);
    await writer.commit?.(1, first);
    writer.append(record("2"));
    const second = await prepare(writer);
    const successor = await imported(pages(root), exactly(2));
    await successor.recover?.(first, true);
    await successor.recover?.(second, false);
    expect(await shown()).toBe("1\n2\n");
    expect(writer.counters()).toEqual({ records: 2, bytes: 2 });
  });

  it("ends the job where what it prepared has gone, by the word for it, and says whose error that is", async () => {
    const writer = await imported(pages(root), exactly());
    const lost = writer.commit?.(1, { pages: ["lost"] });
    await expect(lost).rejects.toMatchObject({ code: "DELIVERY_AT_RISK" });
    await expect(lost).rejects.toThrow(/^node "out", .*pages.* threw Error: .*lost has gone$/);
  });

  it("is refused without what a commit needs", async () => {
    const without = (name: "prepare" | "commit" | "recover"): SinkFactory => ({
      open: () => Promise.resolve(Object.assign(new Pages(root, exactly()), { [name]: undefined })),
    });
    for (const name of ["prepare", "commit", "recover"] as const) {
      const opened = imported(without(name), exactly());
      await expect(opened).rejects.toMatchObject({ code: "FUNCTION_INVALID" });
      await expect(opened).rejects.toThrow("needs prepare, commit, and recover or committed");
    }
  });

  it("is asked for no commit where its node does not say so", async () => {
    const writer = await imported(pages(root), connectorContext().sink);
    expect([writer.prepare, writer.commit, writer.recover, writer.committed]).toEqual(Array(4).fill(undefined));
    writer.append(record("1"));
    await writer.flush();
    expect(writer.counters().records).toBe(1);
  });
});
