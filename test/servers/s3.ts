/** A real S3 server: versitygw over a folder, built on first use. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ObjectStore } from "../../src/engine/s3/call.ts";
import { freePorts } from "./free-ports.ts";
import { startGuarded } from "./guarded-process.ts";
import { toolBinary } from "./tools.ts";

export interface S3Server {
  readonly endpoint: string;
  /** Of the user that may do everything; also the Secret that a job names. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** As a worker reaches it. */
  readonly store: ObjectStore;
  /** Where the objects of a bucket are as files. */
  folderOf(bucket: string): string;
  stop(): Promise<void>;
}

export const BUCKET = "states";

export async function startS3(): Promise<S3Server> {
  const command = await toolBinary("versitygw");
  const dir = mkdtempSync(join(tmpdir(), "weir-s3-"));
  for (const folder of [`data/${BUCKET}`, "sidecar"]) mkdirSync(join(dir, folder), { recursive: true });
  const [port = 0] = await freePorts(1);
  const credentials = { accessKeyId: "weir-test-key", secretAccessKey: "weir-test-secret" };
  const server = await startGuarded({
    command,
    // What other file systems keep in extended attributes is kept beside the objects: a tmpfs has none for users.
    args: ["--port", `127.0.0.1:${port}`, "--quiet", "posix", "--sidecar", join(dir, "sidecar"), join(dir, "data")],
    env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    logFile: join(dir, "log"),
    folder: dir,
  });
  const endpoint = `http://127.0.0.1:${port}`;
  for (let waited = 0; !(await answers(endpoint)); waited += 50) {
    if (server.hasExited || waited > 180_000) throw new Error(`versitygw does not answer:\n${server.logTail()}`);
    await delay(50);
  }
  const secret = (key: string): string | undefined => (credentials as Record<string, string>)[key];
  return {
    endpoint,
    credentials,
    store: { endpoint, secretName: "s3-user", secret },
    folderOf: (bucket) => join(dir, "data", bucket),
    stop: async () => {
      await server.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function answers(endpoint: string): Promise<boolean> {
  return await fetch(endpoint).then(
    (r) => r.status > 0,
    () => false,
  );
}
