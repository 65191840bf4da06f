import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { SinkContext } from "../../src/engine/connectors/connector.ts";
import { s3Sink } from "../../src/engine/connectors/s3/sink.ts";
import { abortUpload, beginUpload } from "../../src/engine/s3/upload.ts";
import { s3Client } from "../../src/engine/s3/client.ts";
import { listed, openUploads } from "../../src/engine/s3/listing.ts";
import { connectorContext, outRecord, type TestContext } from "../builders/connector-context.ts";
import { prepare, put, wakeWithinCommit } from "../builders/exactly-once-sink.ts";
import { sinkContract } from "../builders/sink-contract.ts";
import { freePorts } from "../servers/free-ports.ts";
import { startHttpFaults, type HttpFaults } from "../servers/http-faults.ts";
import { BUCKET, startS3, type S3Server } from "../servers/s3.ts";

let server: S3Server;
let faults: HttpFaults;
beforeAll(async () => {
  server = await startS3();
  faults = await startHttpFaults(server.endpoint);
});
afterEach(() => faults.heal());
afterAll(async () => {
  await faults?.stop();
  await server?.stop();
});

let places = 0;
const newPrefix = (): string => `place-${places++}`;
function open(config: object, context: SinkContext, secret: TestContext["sink"]["secret"] = server.store.secret) {
  const connection = { bucket: BUCKET, endpoint: faults.url, secretRef: { name: "s3-user" } };
  return s3Sink.open({ ...connection, ...config }, { ...context, secret });
}
/** Every object below a prefix, by its key after it. */
async function objects(prefix: string): Promise<Map<string, string>> {
  const client = s3Client(BUCKET, server.store);
  const found = new Map<string, string>();
  for await (const key of listed(client, { prefix: `${prefix}/` })) {
    found.set(key.slice(prefix.length + 1), (await client({ method: "GET", key })).body.toString());
  }
  return found;
}
async function uploads(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of openUploads(s3Client(BUCKET, server.store), `${prefix}/`)) keys.push(key);
  return keys;
}
const idsOf = (texts: Iterable<string>): number[] =>
  [...texts].flatMap((text) => text.split("\n").slice(0, -1)).map((line) => (JSON.parse(line) as { id: number }).id);

sinkContract(
  "a bucket",
  () => {
    const prefix = newPrefix();
    return Promise.resolve({
      open: (context) => open({ prefix }, context),
      ids: async () => idsOf((await objects(prefix)).values()),
    });
  },
  {
    commits: "Follows",
    unreachable: {
      open: async (context) => {
        const [port] = await freePorts(1);
        return await open({ prefix: "x", endpoint: `http://127.0.0.1:${port}` }, context);
      },
      names: /s3:\/\/states.*cannot reach http:\/\/127\.0\.0\.1.*check the connection's endpoint/,
    },
  },
);

describe("the S3 sink with ExactlyOnce", () => {
  const begin = (prefix: string, who: Partial<SinkContext> = {}, config: object = {}, context = connectorContext()) =>
    open({ prefix, ...config }, { ...context.sink, delivery: "ExactlyOnce", ...who });
  const name = (number: number, attempt = 1): string => `part-node-lineage-e1-s0-a${attempt}-${number}.ndjson`;

  it("uploads large objects in parts and small ones in one, and ends an object at its size", async () => {
    const prefix = newPrefix();
    const writer = await begin(prefix, {}, { rollSize: "20Mi" });
    const line = "x".repeat(999_999);
    let wake = (): void => {};
    writer.onDrain(() => wake());
    for (let i = 0; i < 23; i++) {
      put(writer, line);
      while (writer.saturated()) await new Promise<void>((resolve) => (wake = resolve));
    }
    const handle = (await prepare(writer, 1)) as { parts: { size: number; etags: string[] }[] };
    expect(handle.parts.map(({ size, etags }) => ({ size, etags: etags.length }))).toEqual([
      { size: 21_000_000, etags: 3 },
      { size: 2_000_000, etags: 1 },
    ]);
    expect(await objects(prefix)).toEqual(new Map());
    await writer.commit?.(1, handle);
    expect([...(await objects(prefix)).values()].map((text) => text.length)).toEqual([21_000_000, 2_000_000]);
    await writer.close();
  });

  it("takes an upload that is gone for completed where its object is there, also when an answer was lost", async () => {
    const prefix = newPrefix();
    const writer = await begin(prefix);
    put(writer, "1");
    const handle = await prepare(writer, 1);
    faults.inject(/^POST .*uploadId/, "lose");
    await writer.commit?.(1, handle);
    const others = await Promise.all([2, 3].map((attempt) => begin(prefix, { attempt })));
    await Promise.all(others.map(async (other) => await other.recover?.(handle, false)));
    expect(await objects(prefix)).toEqual(new Map([[name(0), "1\n"]]));
    await Promise.all([writer, ...others].map((w) => w.close()));
  });

  it("puts delivery at risk where both have gone, and names the object", async () => {
    const prefix = newPrefix();
    const writer = await begin(prefix);
    put(writer, "1");
    const handle = (await prepare(writer, 1)) as { parts: { name: string; uploadId: string }[] };
    const [{ name: key, uploadId } = { name: "", uploadId: "" }] = handle.parts;
    await abortUpload(s3Client(BUCKET, server.store), { key, uploadId });
    const lost = writer.commit?.(1, handle);
    await expect(lost).rejects.toMatchObject({ code: "DELIVERY_AT_RISK" });
    await expect(lost).rejects.toThrow(`s3://${BUCKET}/${prefix}/${name(0)}`);
    await writer.close();
  });

  it("starts again where its open upload was ended from outside", async () => {
    const prefix = newPrefix();
    const writer = await begin(prefix);
    put(writer, "1");
    await writer.flush();
    for await (const upload of openUploads(s3Client(BUCKET, server.store), prefix))
      await abortUpload(s3Client(BUCKET, server.store), upload);
    await expect(prepare(writer, 1)).rejects.toMatchObject({ code: "TRANSACTION_LOST" });
    await writer.close();
  });

  it("aborts with its first commit what workers before it left, and nobody else's", async () => {
    const prefix = newPrefix();
    const client = s3Client(BUCKET, server.store);
    const [zombie, neighbour] = [await begin(prefix), await begin(prefix, { slot: 1 })];
    put(zombie, "zombie");
    put(neighbour, "neighbour");
    const [theirs] = [await prepare(zombie, 1), await prepare(neighbour, 1)];
    await beginUpload(client, `${prefix}/part-of-somebody-else`);
    const writer = await begin(prefix, { attempt: 2 });
    put(writer, "1");
    await writer.commit?.(1, await prepare(writer, 1));
    put(writer, "2");
    await writer.commit?.(2, await prepare(writer, 2));
    await expect(zombie.commit?.(1, theirs)).rejects.toMatchObject({ code: "DELIVERY_AT_RISK" });
    expect(await uploads(prefix)).toEqual(
      [`${prefix}/part-node-lineage-e1-s1-a1-0.ndjson`, `${prefix}/part-of-somebody-else`].toSorted(),
    );
    expect([...(await objects(prefix)).keys()]).toEqual([name(0, 2), name(1, 2)]);
    await Promise.all([zombie, neighbour, writer].map((w) => w.close()));
  });

  it("completes what each slot of the epoch before left, and aborts nothing of it before", async () => {
    const prefix = newPrefix();
    const killed = await Promise.all([0, 1, 2].map((slot) => begin(prefix, { slot })));
    const handles: unknown[] = [];
    for (const [slot, writer] of killed.entries()) {
      put(writer, String(slot));
      handles.push(await prepare(writer, 1));
    }
    const writer = await begin(prefix, { epoch: 2 });
    for (const handle of handles) {
      await writer.recover?.(handle, false);
      // What it would abort by now would be gone.
      await writer.flush();
    }
    expect([...(await objects(prefix)).values()].toSorted()).toEqual(["0\n", "1\n", "2\n"]);
    await Promise.all([...killed, writer].map((w) => w.close()));
  });

  it("aborts nothing of whoever has followed it, when it wakes up within its first commit", async () => {
    const prefix = newPrefix();
    await wakeWithinCommit((attempt) => begin(prefix, { attempt }));
    expect(await objects(prefix)).toEqual(
      new Map([
        [name(0), "1\n"],
        [name(0, 2), "2\n"],
        [name(1, 2), "3\n"],
      ]),
    );
  });

  it("waits for a store that is away and for credentials, says so without them, and goes on", async () => {
    const prefix = newPrefix();
    const context = connectorContext();
    let secretAccessKey = "canary-of-a-wrong-key";
    const secret = (key: string) => (key === "secretAccessKey" ? secretAccessKey : server.store.secret(key));
    const sink = { ...context.sink, delivery: "ExactlyOnce" as const };
    const writer = await open({ prefix }, sink, secret);
    put(writer, "1");
    const handle = prepare(writer, 1);
    await context.reported((p) => /SignatureDoesNotMatch.*Secret "s3-user"/.test(p?.message ?? ""));
    secretAccessKey = server.store.secret("secretAccessKey") ?? "";
    const prepared = await handle;
    expect(context.problems.at(-1)).toBeUndefined();
    faults.inject(/^POST .*uploadId/, 503, 8);
    const committed = writer.commit?.(1, prepared);
    await context.reported((p) => p?.code === "SINK_UNREACHABLE" && /503/.test(p.message));
    await committed;
    expect(await objects(prefix)).toEqual(new Map([[name(0), "1\n"]]));
    expect(JSON.stringify(context.problems)).not.toContain("canary");
    await writer.close();
  });
});

describe("the S3 sink at least once", () => {
  it("writes over none of its objects after its process came back", async () => {
    const prefix = newPrefix();
    for (const value of ["1", "2"]) {
      const writer = await open({ prefix: `/${prefix}/` }, connectorContext().sink);
      writer.append(outRecord(null, value, 0));
      await writer.flush();
      await writer.close();
    }
    expect([...(await objects(prefix)).values()]).toEqual(["1\n", "2\n"]);
  });
});
