/** Real PostgreSQL and MariaDB servers of Debian's packages, each with one database and one user, as an unprivileged user. */
import { execFile } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { createConnection } from "mysql2/promise";
import pg from "pg";
import type { ConnectorContext } from "../../src/engine/connectors/connector.ts";
import { messageOf } from "../../src/errors.ts";
import { freePorts } from "./free-ports.ts";
import { startGuarded, type GuardedProcess } from "./guarded-process.ts";

export type Row = Readonly<Record<string, unknown>>;
export type DatabaseKind = "postgres" | "mysql";

export interface DatabaseServer {
  readonly kind: DatabaseKind;
  /** The fields of a connection, as a plan has them. */
  readonly connection: {
    readonly host: string;
    readonly port: number;
    readonly database: string;
    readonly secretRef: { readonly name: string };
  };
  /** What a worker finds mounted: the Secret of `connection`. */
  readonly referenced: ConnectorContext["referenced"];
  /** As the owner of the server. */
  query(text: string): Promise<readonly Row[]>;
  /** Ends it: in good order, or by SIGKILL. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

const USER = "weir";
export const DATABASE_PASSWORD = "pass'word\"\\";
const NOBODY = 65_534;
const READY_MS = 180_000;

const secret: ConnectorContext["referenced"] = (kind, name, key) =>
  kind === "Secret" && name === "database" ? { username: `${USER}\n`, password: DATABASE_PASSWORD }[key] : undefined;

/** How a kind of server is made, started and asked. */
interface Kind {
  readonly package: string;
  readonly prepare: (folder: string) => Promise<void>;
  readonly command: (folder: string, port: number) => readonly string[];
  /** Options of `command` for TLS with the files server.crt and server.key. */
  readonly tls: (folder: string) => readonly string[];
  readonly query: (folder: string, port: number, text: string) => Promise<readonly Row[]>;
  readonly setUp: readonly string[];
}

const POSTGRES = "/usr/lib/postgresql/15/bin";
const run = promisify(execFile);

/** Both servers refuse to run as root. */
const asNobody = (args: readonly string[]): readonly string[] =>
  process.getuid?.() === 0 ? ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", ...args] : args;
const execute = async ([command = "", ...args]: readonly string[], cwd: string): Promise<void> => {
  await run(command, args, { cwd });
};
const password = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");

const kinds: Readonly<Record<DatabaseKind, Kind>> = {
  postgres: {
    package: "postgresql-15",
    prepare: async (folder) => {
      const args = ["-A", "scram-sha-256", "-U", "owner", `--pwfile=${folder}/password`, "-E", "UTF8", "--locale=C"];
      writeFileSync(join(folder, "password"), "owner\n");
      await execute(asNobody([`${POSTGRES}/initdb`, "-D", `${folder}/data`, "--no-sync", ...args]), folder);
    },
    command: (folder, port) => [
      `${POSTGRES}/postgres`,
      `-D${folder}/data`,
      `-p${port}`,
      `-k${folder}`,
      "-clisten_addresses=127.0.0.1",
      "-cfsync=off",
    ],
    tls: (folder) => ["-cssl=on", `-cssl_cert_file=${folder}/server.crt`, `-cssl_key_file=${folder}/server.key`],
    query: async (_folder, port, text) => {
      const client = new pg.Client({
        host: "127.0.0.1",
        port,
        user: "owner",
        password: "owner",
        database: text.includes("CREATE DATABASE") ? "postgres" : "shop",
      });
      client.on("error", () => undefined);
      try {
        await client.connect();
        return (await client.query<Row>(text)).rows;
      } finally {
        await client.end();
      }
    },
    setUp: [
      "CREATE DATABASE shop",
      `CREATE USER ${USER} PASSWORD E'${password(DATABASE_PASSWORD)}'`,
      `GRANT ALL ON SCHEMA public TO ${USER}`,
      `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO ${USER}`,
    ],
  },
  mysql: {
    package: "mariadb-server",
    prepare: async (folder) => {
      const args = ["--no-defaults", `--datadir=${folder}/data`, "--auth-root-authentication-method=normal"];
      await execute(asNobody(["mariadb-install-db", ...args, "--skip-test-db"]), folder);
    },
    command: (folder, port) => [
      "mariadbd",
      "--no-defaults",
      `--datadir=${folder}/data`,
      `--socket=${folder}/socket`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      `--pid-file=${folder}/pid`,
      "--innodb-flush-log-at-trx-commit=0",
    ],
    tls: (folder) => [`--ssl-cert=${folder}/server.crt`, `--ssl-key=${folder}/server.key`],
    query: async (folder, _port, text) => {
      const database = text.includes("CREATE DATABASE") ? {} : { database: "shop" };
      const connection = await createConnection({ socketPath: `${folder}/socket`, user: "root", ...database });
      try {
        const [rows] = await connection.query(text);
        return Array.isArray(rows) ? (rows as Row[]) : [];
      } finally {
        await connection.end();
      }
    },
    setUp: [
      "CREATE DATABASE shop CHARACTER SET utf8mb4",
      `CREATE USER ${USER}@'%' IDENTIFIED BY '${password(DATABASE_PASSWORD)}'`,
      `GRANT ALL ON shop.* TO ${USER}@'%'`,
    ],
  },
};

/** In PEM; for the name localhost. */
export interface ServerCertificate {
  readonly certificate: string;
  readonly key: string;
}

export async function startDatabase(kind: DatabaseKind, tls?: ServerCertificate): Promise<DatabaseServer> {
  const of = tls === undefined ? kinds[kind] : withTls(kinds[kind]);
  await run("bash", [join(import.meta.dirname, "../../scripts/servers/packages.sh"), of.package]);
  const folder = mkdtempSync(join(tmpdir(), `weir-${kind}-`));
  chmodSync(folder, 0o755);
  mkdirSync(join(folder, "data"), { mode: 0o700 });
  if (process.getuid?.() === 0) for (const path of [folder, `${folder}/data`]) chownSync(path, NOBODY, NOBODY);
  if (tls !== undefined) writeCertificate(folder, tls);
  await of.prepare(folder);
  const [port = 0] = await freePorts(1);
  let running = await launch(of, folder, port);
  for (const statement of of.setUp) await of.query(folder, port, statement);
  return {
    kind,
    connection: { host: "127.0.0.1", port, database: "shop", secretRef: { name: "database" } },
    referenced: secret,
    query: (text) => of.query(folder, port, text),
    stop: async (signal = "SIGTERM") => {
      // PostgreSQL would wait for its clients; its fast end is SIGINT.
      running.kill(kind === "postgres" && signal === "SIGTERM" ? "SIGINT" : signal);
      await running.exited;
    },
    restart: async () => {
      running = await launch(of, folder, port);
    },
    close: async () => {
      running.kill("SIGKILL");
      await running.exited;
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

const withTls = (of: Kind): Kind => ({
  ...of,
  command: (folder, port) => [...of.command(folder, port), ...of.tls(folder)],
});

/** PostgreSQL takes no key that others may read. */
function writeCertificate(folder: string, { certificate, key }: ServerCertificate): void {
  for (const [name, text] of [
    ["server.crt", certificate],
    ["server.key", key],
  ] as const) {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    if (process.getuid?.() === 0) chownSync(file, NOBODY, NOBODY);
  }
}

async function launch(of: Kind, folder: string, port: number): Promise<GuardedProcess> {
  const [command = "", ...args] = asNobody(of.command(folder, port));
  const server = await startGuarded({ command, args, logFile: join(folder, "log"), folder, cwd: folder });
  const until = Date.now() + READY_MS;
  for (;;) {
    const failed = await of.query(folder, port, "SELECT 1 /* not CREATE DATABASE */").then(
      () => undefined,
      (e: unknown) => e,
    );
    if (failed === undefined) return server;
    if (server.hasExited || Date.now() > until) {
      throw new Error(`${of.package} does not answer: ${messageOf(failed)}\n${server.logTail()}`, { cause: failed });
    }
    await delay(50);
  }
}
