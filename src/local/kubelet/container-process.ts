import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export interface ProcessSpec {
  readonly command: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly pidFile: string;
  /** Resident memory in bytes above which the process is killed, as the kernel would. */
  readonly memoryLimit: number | undefined;
}

export interface Exit {
  readonly exitCode: number;
  readonly signal: number | undefined;
  readonly oomKilled: boolean;
}

export interface RunningProcess {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  signal(name: NodeJS.Signals): void;
}

export type Launch = (spec: ProcessSpec) => RunningProcess;

const signalNumbers: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** Starts one container's process in a process group of its own, so that the terminal's Ctrl-C does not reach it. */
export function startProcess(spec: ProcessSpec): RunningProcess {
  const [program, ...args] = spec.command;
  if (program === undefined) throw new Error("a container needs a command");
  mkdirSync(dirname(spec.logFile), { recursive: true });
  mkdirSync(dirname(spec.pidFile), { recursive: true });
  const log = openSync(spec.logFile, "a");
  const child = spawn(program, args, {
    cwd: spec.cwd,
    env: { ...spec.env },
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  const pid = child.pid ?? 0;
  writeFileSync(spec.pidFile, `${pid} ${startTimeOf(pid) ?? ""}`);
  const watch = watchMemory(child, spec.memoryLimit);
  const exited = new Promise<Exit>((resolve) => {
    const done = (exitCode: number, signal: number | undefined): void => {
      const oomKilled = watch.stop();
      rmSync(spec.pidFile, { force: true });
      resolve({ exitCode, signal, oomKilled });
    };
    child.once("error", () => done(127, undefined));
    child.once("exit", (code, name) => {
      const signal = name === null ? undefined : (signalNumbers[name] ?? 0);
      done(signal === undefined ? (code ?? 0) : 128 + signal, signal);
    });
  });
  return { pid, exited, signal: (name) => void child.kill(name) };
}

function watchMemory(child: ChildProcess, limit: number | undefined): { stop(): boolean } {
  if (limit === undefined || process.platform !== "linux") return { stop: () => false };
  let killed = false;
  const timer = setInterval(() => {
    if ((residentBytes(child.pid ?? 0) ?? 0) <= limit) return;
    killed = true;
    child.kill("SIGKILL");
  }, 500);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      return killed;
    },
  };
}

function residentBytes(pid: number): number | undefined {
  try {
    const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

/** The kernel's start time of a process: with it, a recorded pid cannot be mistaken for a later process. */
function startTimeOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").replace(/.*\) /, "").split(" ")[19];
  } catch {
    return undefined;
  }
}

/** Ends the process that an earlier kubelet left behind under this pid file, if it is still that process. */
export function endLeftover(pidFile: string): void {
  try {
    const [pid, started] = readFileSync(pidFile, "utf8").split(" ");
    if (started !== undefined && started !== "" && startTimeOf(Number(pid)) === started)
      process.kill(Number(pid), "SIGKILL");
  } catch {
    // No file or no such process: nothing was left.
  }
  rmSync(pidFile, { force: true });
}
