/** A real Redis server of Debian's package, with a password. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { createClient } from "@redis/client";
import type { ConnectorContext } from "../../src/engine/connectors/connector.ts";
import { freePorts } from "./free-ports.ts";
import { startGuarded, type GuardedProcess } from "./guarded-process.ts";

export interface RedisServer {
  /** Of a server with a certificate: where it speaks TLS. */
  readonly tlsPort: number;
  /** The fields of a connection, as a plan has them. */
  readonly connection: { readonly host: string; readonly port: number; readonly secretRef: { readonly name: string } };
  readonly referenced: ConnectorContext["referenced"];
  /** Sets values; undefined removes one. */
  set(values: Readonly<Record<string, string | undefined>>): Promise<void>;
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

const PASSWORD = "pass word";
const READY_MS = 180_000;
const secret: ConnectorContext["referenced"] = (kind, name, key) =>
  kind === "Secret" && name === "redis" ? { username: "default\n", password: PASSWORD }[key] : undefined;

/** With a certificate it speaks TLS as well, on a port of its own. */
export async function startRedis(certificate?: { certificate: string; key: string }): Promise<RedisServer> {
  await promisify(execFile)("bash", [join(import.meta.dirname, "../../scripts/servers/packages.sh"), "redis-server"]);
  const folder = mkdtempSync(join(tmpdir(), "weir-redis-"));
  const [port = 0, tlsPort = 0] = await freePorts(2);
  const tls = certificate === undefined ? {} : tlsFlags(folder, tlsPort, certificate);
  let running = await launch(folder, port, tls);
  return {
    tlsPort,
    connection: { host: "127.0.0.1", port, secretRef: { name: "redis" } },
    referenced: secret,
    set: (values) =>
      asked(port, async (client) => {
        for (const [name, value] of Object.entries(values))
          await (value === undefined ? client.del(name) : client.set(name, value));
      }),
    stop: async (signal = "SIGTERM") => {
      running.kill(signal);
      await running.exited;
    },
    restart: async () => {
      running = await launch(folder, port, tls);
    },
    close: async () => {
      running.kill("SIGKILL");
      await running.exited;
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function asked(port: number, work: (client: ReturnType<typeof clientOf>) => Promise<unknown>): Promise<void> {
  const client = clientOf(port);
  client.on("error", () => undefined);
  try {
    await client.connect();
    await work(client);
  } finally {
    client.destroy();
  }
}

const clientOf = (port: number) =>
  createClient({ password: PASSWORD, socket: { host: "127.0.0.1", port, reconnectStrategy: false } });

type Flags = Readonly<Record<string, string | number>>;

function tlsFlags(folder: string, port: number, { certificate, key }: { certificate: string; key: string }): Flags {
  writeFileSync(join(folder, "tls.crt"), certificate);
  writeFileSync(join(folder, "tls.key"), key, { mode: 0o600 });
  const files = { "tls-cert-file": join(folder, "tls.crt"), "tls-key-file": join(folder, "tls.key") };
  return { "tls-port": port, "tls-auth-clients": "no", ...files };
}

async function launch(folder: string, port: number, more: Flags): Promise<GuardedProcess> {
  const flags = {
    ...more,
    port,
    bind: "127.0.0.1",
    dir: folder,
    requirepass: PASSWORD,
    appendonly: "yes",
    appendfsync: "always",
  };
  const args = ["--save", "", ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)])];
  const server = await startGuarded({ command: "redis-server", args, logFile: join(folder, "log"), folder });
  for (const until = Date.now() + READY_MS; ; await delay(20)) {
    const answers = await asked(port, (client) => client.ping()).then(
      () => true,
      () => false,
    );
    if (answers) return server;
    if (server.hasExited || Date.now() > until) throw new Error(`redis-server does not answer\n${server.logTail()}`);
  }
}
