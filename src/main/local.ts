import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Command, EXIT, type Terminal, UsageError } from "../cli/command.ts";

/** `weir local up|down|status`: the embedded cluster as a process in the background, known by its pid file. */
const START_LIMIT_MS = 120_000; // only a machine that is busy with something else needs more than two seconds
const STOP_LIMIT_MS = 40_000;
const LOOK_MS = 50;

interface Options {
  readonly dataDir: string;
  readonly port: string;
}

function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: { "data-dir": { type: "string", default: ".weir/local" }, port: { type: "string", default: "0" } },
  });
  if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) {
    throw new UsageError(`--port must be a number from 0 (any free port) to 65535, not "${values.port}"`);
  }
  return { dataDir: resolve(values["data-dir"]), port: values.port };
}

const pidFile = (dataDir: string): string => join(dataDir, "cluster.pid");
const kubeconfigFile = (dataDir: string): string => join(dataDir, "kubeconfig");
const readyFile = (dataDir: string): string => join(dataDir, "ready");
const logFile = (dataDir: string): string => join(dataDir, "cluster.log");

/** The process that runs, or undefined. The command line is compared, so that a reused pid is not taken for it. */
async function runningPid(dataDir: string): Promise<number | undefined> {
  const pid = Number(await readFile(pidFile(dataDir), "utf8").catch(() => ""));
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  try {
    process.kill(pid, 0);
  } catch {
    return undefined;
  }
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "serve-local");
  return commandLine.includes("serve-local") ? pid : undefined;
}

const up: Command = {
  name: "local up",
  summary: "Starts the embedded cluster in the background and writes its kubeconfig.",
  usage: "[--data-dir DIR] [--port PORT]",
  run: async (args, io) => {
    const { dataDir, port } = optionsOf(args);
    const running = await runningPid(dataDir);
    if (running !== undefined) return tellUp(dataDir, running, io);
    await mkdir(dataDir, { recursive: true });
    await rm(readyFile(dataDir), { force: true });
    const log = openSync(logFile(dataDir), "a");
    const entry = join(import.meta.dirname, "serve-local.ts");
    const child = spawn(process.execPath, [entry, dataDir, port], { detached: true, stdio: ["ignore", log, log] });
    closeSync(log);
    child.unref();
    await writeFile(pidFile(dataDir), String(child.pid));
    const started = await until(
      START_LIMIT_MS,
      async () => child.exitCode !== null || (await exists(readyFile(dataDir))),
    );
    if (started && child.exitCode === null && child.pid !== undefined) return tellUp(dataDir, child.pid, io);
    io.err(`the embedded cluster did not start; see ${logFile(dataDir)}`);
    return EXIT.failed;
  },
};

function tellUp(dataDir: string, pid: number, io: Terminal): number {
  io.out(`embedded cluster is up (pid ${pid})`);
  io.out(`  kubectl --kubeconfig ${kubeconfigFile(dataDir)} get sj,cpol,mw,pods`);
  return EXIT.ok;
}

const down: Command = {
  name: "local down",
  summary: "Stops the embedded cluster and its workers; the workers' volumes stay.",
  usage: "[--data-dir DIR]",
  run: async (args, io) => {
    const { dataDir } = optionsOf(args);
    const pid = await runningPid(dataDir);
    if (pid === undefined) {
      io.out("no embedded cluster is running here");
      return EXIT.ok;
    }
    process.kill(pid, "SIGTERM");
    const gone = await until(STOP_LIMIT_MS, async () => (await runningPid(dataDir)) === undefined);
    if (!gone) {
      io.err(
        `the embedded cluster (pid ${pid}) did not stop within ${STOP_LIMIT_MS / 1000} s; see ${logFile(dataDir)}`,
      );
      return EXIT.failed;
    }
    await rm(pidFile(dataDir), { force: true });
    await rm(readyFile(dataDir), { force: true });
    io.out("embedded cluster is down");
    return EXIT.ok;
  },
};

const status: Command = {
  name: "local status",
  summary: "Says whether the embedded cluster runs; exit code 1 if not.",
  usage: "[--data-dir DIR]",
  run: async (args, io) => {
    const { dataDir } = optionsOf(args);
    const pid = await runningPid(dataDir);
    if (pid !== undefined) return tellUp(dataDir, pid, io);
    io.out("no embedded cluster is running here; weir local up starts one");
    return EXIT.failed;
  },
};

async function until(limitMs: number, holds: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + limitMs; performance.now() < end; await delay(LOOK_MS)) {
    if (await holds()) return true;
  }
  return false;
}

const exists = (file: string): Promise<boolean> =>
  readFile(file).then(
    () => true,
    () => false,
  );

export const localCommands: readonly Command[] = [up, down, status];
