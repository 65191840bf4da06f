/** Processes of a test that are gone when the test process is gone, however it ended. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";

export interface GuardedProcess {
  /** Of the program itself. */
  readonly pid: number;
  readonly exited: Promise<number>;
  readonly hasExited: boolean;
  /** Ends it by SIGTERM, after `graceMs` by SIGKILL; resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** The end of its log, for messages. */
  logTail(): string;
}

export interface GuardedOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  /** Its state: removed when the test process dies without stopping it. */
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/**
 * The shell in between holds a pipe from this process. When the pipe closes (also by kill -9) it ends the program and removes its folder.
 * The program's own exit ends the watcher first, so that a pid is never signalled after its reuse.
 */
const guard = `folder=$1; shift; exec 3<&0
"$@" </dev/null 3<&- 4>&- & pid=$!
echo $pid >&4; exec 4>&-
(cat <&3 >/dev/null; trap '' TERM; kill -KILL $pid; sleep 0.2; rm -rf "$folder") 2>/dev/null & watcher=$!
wait $pid; code=$?
kill $watcher 2>/dev/null
exit $code`;

export async function startGuarded(options: GuardedOptions): Promise<GuardedProcess> {
  const log = openSync(options.logFile, "a");
  const child = spawn("sh", ["-c", guard, "guard", options.folder, options.command, ...options.args], {
    stdio: ["pipe", log, log, "ignore", "pipe"],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    detached: true, // Ctrl-C in the terminal reaches the program through the pipe only, after the tests' own clean-up
  });
  closeSync(log);
  child.stdin?.on("error", () => undefined);
  let hasExited = false;
  const exited = new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => {
      hasExited = true;
      resolve(code ?? 1);
    });
  });
  const announced = child.stdio[4];
  if (announced === null || announced === undefined) throw new Error("the guard has no pipe to announce its pid");
  const [line] = (await once(announced, "data")) as [Buffer];
  const pid = Number(line.toString());
  if (!(pid > 0)) throw new Error(`the guard announced no pid: ${line.toString()}`); // 0 would be this process's own group
  const kill = (signal: NodeJS.Signals): void => {
    if (hasExited) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It ended a moment ago.
    }
  };
  return {
    pid,
    exited,
    kill,
    get hasExited() {
      return hasExited;
    },
    stop: async (graceMs = 5_000) => {
      kill("SIGTERM");
      const timer = setTimeout(() => kill("SIGKILL"), graceMs);
      await exited;
      clearTimeout(timer);
    },
    logTail: () => readFileSync(options.logFile, "utf8").split("\n").slice(-25).join("\n"),
  };
}
