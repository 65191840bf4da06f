import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectorContext, outRecord } from "../../../../test/builders/connector-context.ts";
import { sinkContract } from "../../../../test/builders/sink-contract.ts";
import { readFrom, sourceContract } from "../../../../test/builders/source-contract.ts";
import { fileSink } from "./sink.ts";
import { fileSource } from "./source.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-file-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const lines = (name: string, n: number): string[] => Array.from({ length: n }, (_, i) => `{"f":"${name}","i":${i}}`);
const source = connectorContext().source;

sourceContract("a folder of files", async () => {
  const content = new Map([
    ["a.ndjson", lines("a", 2500)],
    ["b.ndjson", lines("b", 1)],
    ["c.ndjson.gz", lines("c", 3000)],
    ["empty.ndjson", []],
  ]);
  for (const [name, values] of content) {
    const text = values.map((v) => `${v}\n`).join("");
    await writeFile(join(folder, name), name.endsWith(".gz") ? gzipSync(text) : text);
  }
  return { factory: fileSource, config: { path: folder }, context: source, content, bounded: true };
});

sourceContract("a followed file", async () => {
  await writeFile(join(folder, "in.ndjson"), lines("in", 2000).join("\n") + "\n");
  const content = new Map([["in.ndjson", lines("in", 2000)]]);
  return {
    factory: fileSource,
    config: { path: join(folder, "in.ndjson"), follow: true },
    context: source,
    content,
    bounded: false,
  };
});

let folders = 0;
const idsIn = async (out: string): Promise<number[]> => {
  const parts = (await readdir(out)).filter((name) => !name.startsWith("."));
  const texts = await Promise.all(parts.map((name) => readFile(join(out, name), "utf8")));
  return texts.flatMap((text) => text.split("\n").slice(0, -1)).map((line) => (JSON.parse(line) as { id: number }).id);
};
sinkContract(
  "a folder",
  () => {
    const out = join(folder, `out-${folders++}`);
    return Promise.resolve({ open: (ctx) => fileSink.open({ path: out }, ctx), ids: () => idsIn(out) });
  },
  {
    commits: "Follows",
    unreachable: {
      open: (ctx) => fileSink.open({ path: "/dev/null/out" }, ctx),
      names: /cannot write into \/dev\/null\/out/,
    },
  },
);

async function read(config: object, count: number): Promise<string[]> {
  const splits = await fileSource.splits(config, source);
  const reader = await fileSource.open(
    config,
    splits.map((split) => ({ split, position: undefined })),
    source,
  );
  const seen: string[] = [];
  await readFrom(reader, count, (batch) => {
    for (let i = 0; i < batch.n; i++) {
      const start = batch.off[i] as number;
      seen.push(`${batch.describe(i)} ${batch.buf.toString("utf8", start, start + (batch.len[i] as number))}`);
    }
  });
  await reader.close();
  return seen;
}

describe("the file source", () => {
  it("takes the last line without a newline, CRLF ends, and skips empty lines but counts them", async () => {
    await writeFile(join(folder, "in"), '{"a":1}\r\n\n{"a":2}');
    expect(await read({ path: join(folder, "in") }, 2)).toEqual(['in:1 {"a":1}', 'in:3 {"a":2}']);
  });

  it("reads the files that a glob names", async () => {
    await writeFile(join(folder, "x-1.ndjson"), "1\n");
    await writeFile(join(folder, "x-2.ndjson"), "2\n");
    await writeFile(join(folder, "y.ndjson"), "3\n");
    expect(await read({ path: join(folder, "x-*.ndjson") }, 2)).toEqual(["x-1.ndjson:1 1", "x-2.ndjson:1 2"]);
  });

  it("takes links for the files that they lead to, as those of a mounted ConfigMap, and leaves folders out", async () => {
    await mkdir(join(folder, "..data"));
    await mkdir(join(folder, "folder.ndjson"));
    await writeFile(join(folder, "..data", "a.ndjson"), "1\n");
    await symlink(join("..data", "a.ndjson"), join(folder, "a.ndjson"));
    expect(await read({ path: folder }, 1)).toEqual(["a.ndjson:1 1"]);
    expect(await read({ path: join(folder, "*.ndjson") }, 1)).toEqual(["a.ndjson:1 1"]);
  });

  it("reads no link beside the file that it leads to, and of links to one other file the first", async () => {
    await mkdir(join(folder, "in"));
    await writeFile(join(folder, "elsewhere"), "0\n");
    for (const name of ["1.ndjson", "2.ndjson"]) await writeFile(join(folder, "in", name), `${name[0]}\n`);
    for (const name of ["0-oldest.ndjson", "latest.ndjson"])
      await symlink(name.startsWith("0") ? "1.ndjson" : "2.ndjson", join(folder, "in", name));
    for (const name of ["b.ndjson", "a.ndjson"]) await symlink(join("..", "elsewhere"), join(folder, "in", name));
    await symlink("in", join(folder, "linked"));
    const listed = async (path: string) =>
      (await fileSource.splits({ path: join(folder, path) }, source)).map(({ id }) => id);
    for (const path of ["in", "linked", "in/*.ndjson", "linked/*.ndjson", "in/{1,2,0-oldest,latest,a,b}.ndjson"])
      expect([path, await listed(path)]).toEqual([path, ["1.ndjson", "2.ndjson", "a.ndjson"]]);
    expect(await listed("in/{latest,1}.ndjson")).toEqual(["1.ndjson", "latest.ndjson"]);
    expect(await listed("in/latest.ndjson")).toEqual(["latest.ndjson"]);
  });

  it("leaves out links that cannot be followed", async () => {
    await writeFile(join(folder, "a.ndjson"), "1\n");
    const links = { loop: "loop.ndjson", through: join("a.ndjson", "x"), long: "x".repeat(300), none: "none" };
    for (const [name, target] of Object.entries(links)) await symlink(target, join(folder, `${name}.ndjson`));
    expect(await read({ path: folder }, 1)).toEqual(["a.ndjson:1 1"]);
    expect(await read({ path: join(folder, "*.ndjson") }, 1)).toEqual(["a.ndjson:1 1"]);
  });

  it("takes a pattern that is too long for a name for a pattern", async () => {
    await writeFile(join(folder, "a.ndjson"), "1\n");
    const names = Array.from({ length: 100 }, (_, i) => `${i}.ndjson`);
    expect(await read({ path: join(folder, `{${names.join()},a.ndjson}`) }, 1)).toEqual(["a.ndjson:1 1"]);
  });

  it("takes a name that looks like a pattern for the file that is called so", async () => {
    await writeFile(join(folder, "a[1].ndjson"), "1\n");
    expect(await read({ path: join(folder, "a[1].ndjson") }, 1)).toEqual(["a[1].ndjson:1 1"]);
    await expect(fileSource.splits({ path: join(folder, "none", "*.ndjson") }, source)).rejects.toThrow(
      /mount what has it/,
    );
  });

  it("follows a file beside packed ones, which end", async () => {
    for (const name of ["a.ndjson", "b.ndjson.gz", "c.ndjson"])
      await writeFile(join(folder, name), name.endsWith(".gz") ? gzipSync("1\n") : "1\n");
    const config = { path: folder, follow: true };
    const splits = await fileSource.splits(config, source);
    const assigned = splits.map((split) => ({ split, position: undefined }));
    const reader = await fileSource.open(config, assigned, source);
    await readFrom(reader, 3);
    for (const name of ["a.ndjson", "c.ndjson", "a.ndjson"]) {
      await appendFile(join(folder, name), "2\n");
      const seen: string[] = [];
      await readFrom(reader, 1, (batch) => seen.push(batch.describe(0).split(":")[0] as string));
      expect(seen).toEqual([name]);
    }
    expect(reader.finishedSplits?.()).toEqual([1]);
    await reader.close();
  });

  it.each(["in.ndjson", "in.ndjson.gz"])(
    "does not go on in %s that is shorter than what was read of it",
    async (name) => {
      const path = join(folder, name);
      await writeFile(path, name.endsWith(".gz") ? gzipSync("1\n") : "1\n");
      const split = { id: name, index: 0 };
      const reader = await fileSource.open({ path }, [{ split, position: { offset: 10, line: 5 } }], source);
      await expect(readFrom(reader, 1)).rejects.toMatchObject({
        code: "OFFSET_OUT_OF_RANGE",
        message: expect.stringContaining(`${name} has 2 bytes and was read up to byte 10 before`),
      });
      await reader.close();
    },
  );

  it("waits for the rest of a line that is still being written", async () => {
    const path = join(folder, "grows");
    await writeFile(path, '{"a":1}\n{"a"');
    const split = { id: "grows", index: 0 };
    const reader = await fileSource.open({ path, follow: true }, [{ split, position: undefined }], source);
    await readFrom(reader, 1);
    await appendFile(path, ":2}\n");
    const seen: number[] = [];
    await readFrom(reader, 1, (batch) => seen.push(batch.len[0] as number));
    expect(seen).toEqual(['{"a":2}'.length]);
    await reader.close();
  });

  it("says which path it cannot read", async () => {
    await expect(fileSource.splits({ path: "/no/such/folder" }, source)).rejects.toThrow(
      /cannot list \/no\/such\/folder: it is not in the worker's pod; mount what has it/,
    );
  });
});

describe("the file sink", () => {
  const { sink } = connectorContext();

  it("has written what was appended before a flush, and starts a new part after a restart", async () => {
    for (const value of ["1", "2"]) {
      const writer = await fileSink.open({ path: folder }, sink);
      writer.append(outRecord(null, value, 0));
      await writer.flush();
      expect(writer.counters()).toEqual({ records: 1, bytes: 1 });
      await writer.close();
    }
    const parts = (await readdir(folder)).toSorted();
    expect(parts).toEqual(["part-node-lineage-e1-s0-a1-0.ndjson", "part-node-lineage-e1-s0-a1-1.ndjson"]);
    expect(await Promise.all(parts.map((p) => readFile(join(folder, p), "utf8")))).toEqual(["1\n", "2\n"]);
  });

  it("cuts off the half line that a killed process of its own attempt left, and touches no other attempt's", async () => {
    await writeFile(join(folder, "part-node-lineage-e1-s0-a1-0.ndjson"), "whole\nhal");
    await writeFile(join(folder, "part-node-lineage-e1-s0-a0-0.ndjson"), "whole\nhal");
    await (await fileSink.open({ path: folder }, sink)).close();
    expect(await readFile(join(folder, "part-node-lineage-e1-s0-a1-0.ndjson"), "utf8")).toBe("whole\n");
    expect(await readFile(join(folder, "part-node-lineage-e1-s0-a0-0.ndjson"), "utf8")).toBe("whole\nhal");
  });

  it("asks the sources to wait while too much is unwritten, and calls them back", async () => {
    const writer = await fileSink.open({ path: folder }, sink);
    const drained = new Promise<void>((resolve) => writer.onDrain(resolve));
    const big = outRecord(null, "x".repeat(1_000_000), 0);
    for (let i = 0; i < 6; i++) writer.append(big);
    expect(writer.saturated()).toBe(true);
    await drained;
    await writer.flush();
    expect(writer.saturated()).toBe(false);
    await writer.close();
  });

  it("fails the flush when the folder is gone, and says which", async () => {
    const writer = await fileSink.open({ path: join(folder, "out") }, sink);
    await rm(join(folder, "out"), { recursive: true });
    writer.append(outRecord(null, "1", 0));
    await expect(writer.flush()).rejects.toThrow(new RegExp(`cannot write into ${folder}/out: ENOENT`));
    await writer.close();
  });
});
