import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { ObjectStore } from "../../src/engine/s3/call.ts";
import { s3Storage } from "../../src/engine/checkpoint/s3-storage.ts";
import type { Storage } from "../../src/engine/checkpoint/storage.ts";
import { storageContract } from "../builders/storage-contract.ts";
import { freePorts } from "../servers/free-ports.ts";
import { startHttpFaults, type HttpFaults } from "../servers/http-faults.ts";
import { BUCKET, startS3, type S3Server } from "../servers/s3.ts";

let server: S3Server;
beforeAll(async () => {
  server = await startS3();
});
afterAll(() => server.stop());

storageContract("a bucket", (place) => s3Storage(`s3://${BUCKET}/contract/${place}`, server.store));

describe("an object store with bad days", () => {
  let faults: HttpFaults;
  beforeAll(async () => {
    faults = await startHttpFaults(server.endpoint);
  });
  afterAll(() => faults.stop());
  afterEach(() => faults.heal());

  const bytes = Buffer.from("1");
  let nth = 0;
  /** A storage whose first object is there. */
  const opened = async (): Promise<Storage> => {
    const storage = s3Storage(`s3://${BUCKET}/faults/${nth++}`, { ...server.store, endpoint: faults.url });
    await storage.create("first", bytes);
    return storage;
  };

  it("is asked again after a refusal that passes, a cut connection and a lost answer", async () => {
    const storage = await opened();
    const before = faults.strikes;
    faults.inject(/^PUT/, 503, 2);
    faults.inject(/^PUT/, "cut", 1);
    faults.inject(/^GET/, "lose", 1);
    expect(await storage.create("a", bytes)).toBe(true);
    expect(await storage.read("a")).toEqual(bytes);
    expect(faults.strikes - before).toBe(4);
  });

  it("knows its own object again when the answer to its creation was lost, and nobody else's", async () => {
    const storage = await opened();
    faults.inject(/^PUT/, "lose");
    expect(await storage.create("own", bytes)).toBe(true);
    faults.inject(/^PUT/, "lose");
    expect(await storage.create("own", Buffer.from("2"))).toBe(false);
    expect(await storage.read("own")).toEqual(bytes);
  });

  it("completes an upload whose completion was answered into the void", async () => {
    const storage = await opened();
    const writer = await storage.writer("large");
    for (let i = 0; i < 9; i++) await writer.write(Buffer.alloc(1024 * 1024, i));
    faults.inject(/^POST .*uploadId/, "lose");
    await writer.close();
    expect((await storage.read("large"))?.length).toBe(9 * 1024 * 1024);
  });

  it("is not trusted when it accepts an object twice", async () => {
    const storage = s3Storage(`s3://${BUCKET}/unconditional`, { ...server.store, endpoint: faults.url });
    faults.inject(/^PUT/, 200, 2);
    await expect(storage.create("a", bytes)).rejects.toThrow(/does not know conditional writes.*use another store/);
  });
});

describe("an object store that refuses", () => {
  const refusal = async (store: Partial<ObjectStore>, bucket = BUCKET): Promise<string> => {
    const storage = s3Storage(`s3://${bucket}/state`, { ...server.store, ...store });
    const message = await storage.create("job/manifest.json", Buffer.from("1")).then(
      () => "created",
      (e: Error) => e.message,
    );
    for (const secret of Object.values(server.credentials)) expect(message).not.toContain(secret);
    return message;
  };
  const withKeys = (keys: Record<string, string>): Partial<ObjectStore> => ({
    secret: (key) => ({ ...server.credentials, ...keys })[key],
  });

  it("because there is no such bucket, is said to be so", async () => {
    expect(await refusal({}, "nowhere")).toMatch(
      /PUT s3:\/\/nowhere\/state\/job\/manifest.json was answered with 404 NoSuchBucket: there is no bucket "nowhere"; create it/,
    );
  });

  it("because of an unknown key or a wrong secret, names the Secret and nothing of it", async () => {
    expect(await refusal(withKeys({ accessKeyId: "somebody" }))).toMatch(
      /40[34] [A-Za-z]+: the access key is not known there; correct the credentials in Secret "s3-user"/,
    );
    expect(await refusal(withKeys({ secretAccessKey: "wrong" }))).toMatch(
      /403 SignatureDoesNotMatch: the secret access key is wrong/,
    );
    expect(await refusal(withKeys({ secretAccessKey: " " }))).toMatch(
      /Secret "s3-user" of spec.checkpoint.storage.secretRef has no key secretAccessKey/,
    );
  });

  it("because the clocks differ, says so", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() - 3_600_000 });
    try {
      expect(await refusal({})).toMatch(/403 RequestTimeTooSkewed: the clocks of this machine and of the store/);
    } finally {
      vi.useRealTimers();
    }
  });

  it("because the bucket is in another region, names the field", async () => {
    expect(await refusal({ region: "eu-west-9" })).toMatch(
      /AuthorizationHeaderMalformed: bucket "states" is not in region eu-west-9; set spec.checkpoint.storage.region/,
    );
  });

  it("by not being there at all, is named with its address", async () => {
    const [port = 0] = await freePorts(1);
    expect(await refusal({ endpoint: `http://127.0.0.1:${port}` })).toMatch(
      new RegExp(`cannot reach http://127.0.0.1:${port}: ECONNREFUSED; check spec.checkpoint.storage.endpoint`),
    );
  });

  it("until the Secret is changed, takes the new key from the next request on", async () => {
    let key = "wrong";
    const storage = s3Storage(`s3://${BUCKET}/rotated`, {
      ...server.store,
      secret: (name) => (name === "secretAccessKey" ? key : server.store.secret(name)),
    });
    await expect(storage.list("a")).rejects.toThrow(/SignatureDoesNotMatch/);
    key = server.credentials.secretAccessKey;
    expect(await storage.list("a")).toEqual([]);
  });
});
