import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type BackoffPolicy, clearsBackoff, restartPause } from "./backoff.ts";
import type { Exit, Launch, RunningProcess } from "./container-process.ts";
import { bytesOf } from "./images.ts";
import { NotReadyError } from "./object-reader.ts";
import type { Container, ContainerState, ContainerStatus, Pod } from "./pod.ts";
import { type ProbeRun, startProbe } from "./probes.ts";

/** What a container's run needs from its pod. */
export interface ContainerHost {
  readonly pod: Pod;
  readonly ip: string;
  readonly root: string;
  readonly folder: string;
  readonly backoff: BackoffPolicy;
  readonly launch: Launch;
  readonly port: (wanted: number | string) => number;
  /** Volumes, environment and command of the next start; throws NotReadyError while something is missing. */
  prepare(container: Container): Promise<{ command: readonly string[]; env: Readonly<Record<string, string>> }>;
  changed(): void;
  event(type: "Normal" | "Warning", reason: string, message: string): void;
}

export interface ContainerRun {
  readonly status: () => ContainerStatus;
  readonly logFile: () => string;
  /** Resolves when the container will not run again. */
  readonly done: Promise<void>;
  /** SIGTERM, then SIGKILL after the grace; no restart. */
  stop(graceSeconds: number): void;
}

const SETUP_RETRY_MS = 1_000;
const MESSAGE_BYTES = 4096;
const instant = (): string => new Date().toISOString().replace(/\.\d+Z$/, "Z");

export function runContainer(container: Container, host: ContainerHost): ContainerRun {
  const abort = new AbortController();
  let state: ContainerState = { waiting: { reason: "ContainerCreating" } };
  let lastState: ContainerState = {};
  let restartCount = 0;
  let ready = false;
  let running: RunningProcess | undefined;

  const messageFile = join(host.root, container.terminationMessagePath ?? "/dev/termination-log");
  const logFile = (): string => join(host.folder, "logs", container.name, `${restartCount}.log`);

  const enter = (next: ContainerState): void => {
    if (next.running === undefined) ready = false;
    state = next;
    host.changed();
  };

  const pause = (ms: number): Promise<void> => delay(ms, undefined, { signal: abort.signal }).catch(() => undefined);

  const prepared = async (): Promise<Awaited<ReturnType<ContainerHost["prepare"]>> | undefined> => {
    let told = "";
    while (!abort.signal.aborted) {
      try {
        return await host.prepare(container);
      } catch (e) {
        const { reason, message } =
          e instanceof NotReadyError ? e : { reason: "CreateContainerError", message: String(e) };
        if (told !== message) host.event("Warning", eventReason(reason), message);
        told = message;
        enter({ waiting: { reason, message } });
        await pause(SETUP_RETRY_MS);
      }
    }
    return undefined;
  };

  const startOnce = async (): Promise<{ exit: Exit; ranMs: number } | undefined> => {
    const setup = await prepared();
    // Stopped while it was prepared: nobody would end it any more.
    if (setup === undefined || abort.signal.aborted) return undefined;
    rmSync(messageFile, { force: true });
    const startedAt = instant();
    const began = performance.now();
    running = host.launch({
      ...setup,
      cwd: host.root,
      logFile: logFile(),
      pidFile: join(host.folder, "pids", container.name),
      memoryLimit: bytesOf(container.resources?.limits?.["memory"]),
    });
    host.event("Normal", "Started", `Started container ${container.name}`);
    ready = container.readinessProbe === undefined;
    enter({ running: { startedAt } });
    const probes = watchHealth(running);
    const exit = await running.exited;
    for (const probe of probes) probe.stop();
    running = undefined;
    enter({ terminated: terminated(exit, startedAt) });
    return { exit, ranMs: performance.now() - began };
  };

  const watchHealth = (process: RunningProcess): ProbeRun[] => {
    const target = { ip: host.ip, port: host.port };
    const probes: ProbeRun[] = [];
    if (container.readinessProbe !== undefined) {
      probes.push(
        startProbe(container.readinessProbe, target, (healthy) => {
          ready = healthy;
          host.changed();
        }),
      );
    }
    if (container.livenessProbe !== undefined) {
      probes.push(
        startProbe(container.livenessProbe, target, (healthy) => {
          if (healthy) return;
          host.event("Warning", "Unhealthy", `Liveness probe failed, container ${container.name} will be restarted`);
          endWithGrace(process, host.pod.spec.terminationGracePeriodSeconds ?? 30);
        }),
      );
    }
    return probes;
  };

  const terminated = (exit: Exit, startedAt: string): NonNullable<ContainerState["terminated"]> => {
    const message = readMessage(messageFile);
    return {
      exitCode: exit.exitCode,
      ...(exit.signal === undefined ? {} : { signal: exit.signal }),
      reason: exit.oomKilled ? "OOMKilled" : exit.exitCode === 0 ? "Completed" : "Error",
      ...(message === undefined ? {} : { message }),
      startedAt,
      finishedAt: instant(),
    };
  };

  const loop = async (): Promise<void> => {
    let consecutive = 0;
    while (!abort.signal.aborted) {
      const run = await startOnce();
      if (run === undefined || abort.signal.aborted || !restarts(host.pod, run.exit)) return;
      consecutive = clearsBackoff(host.backoff, run.ranMs) ? 1 : consecutive + 1;
      const wait = restartPause(host.backoff, consecutive);
      if (wait > 0) {
        const message = `back-off ${wait / 1000}s restarting failed container=${container.name} pod=${host.pod.metadata.name}`;
        lastState = state;
        host.event("Warning", "BackOff", message);
        enter({ waiting: { reason: "CrashLoopBackOff", message } });
        await pause(wait);
        if (abort.signal.aborted) return;
      } else lastState = state;
      restartCount++;
    }
  };

  const done = loop();
  return {
    status: () => ({
      name: container.name,
      image: container.image,
      imageID: `process://${container.image}`,
      ...(running === undefined ? {} : { containerID: `process://${running.pid}` }),
      ready,
      started: state.running !== undefined,
      restartCount,
      state,
      lastState,
    }),
    logFile,
    done,
    stop: (grace) => {
      abort.abort();
      if (running !== undefined) endWithGrace(running, grace);
    },
  };
}

function endWithGrace(process: RunningProcess, graceSeconds: number): void {
  process.signal("SIGTERM");
  const timer = setTimeout(() => process.signal("SIGKILL"), graceSeconds * 1000);
  void process.exited.then(() => clearTimeout(timer));
}

function restarts(pod: Pod, exit: Exit): boolean {
  const policy = pod.spec.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && exit.exitCode !== 0);
}

function eventReason(waiting: string): string {
  if (waiting === "ContainerCreating") return "FailedMount";
  return waiting.startsWith("ErrImage") || waiting.startsWith("ImagePull") ? "Failed" : waiting;
}

function readMessage(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").slice(0, MESSAGE_BYTES);
  } catch {
    return undefined;
  }
}
