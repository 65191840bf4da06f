import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { StartDocument, WorkerEnvironment } from "../../src/api/worker-protocol.ts";
import { startDocument, workerEnvironment } from "../../src/api/worker-protocol.ts";
import { systemClock } from "../../src/clock.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import { builtInConnectors } from "../../src/engine/connectors/registry.ts";
import type { Exit, Launch } from "../../src/local/kubelet/container-process.ts";
import type { Log } from "../../src/worker/log.ts";
import type { Worker } from "../../src/worker/worker.ts";
import { startWorker } from "../../src/worker/worker.ts";

const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export interface StartedWorker {
  readonly environment: WorkerEnvironment;
  readonly start: StartDocument;
}

/**
 * A container of the process kubelet without a process: the same worker code on its own loopback address, so that
 * hundreds of jobs can live in one test. It cannot be killed; SIGKILL ends it like SIGTERM.
 */
export function inProcessWorkers(started: (worker: StartedWorker) => void): Launch {
  return (spec) => {
    const environment = workerEnvironment.parse(spec.env);
    const file = join(environment.WEIR_POD_ROOT ?? "", environment.WEIR_PLAN_DIR, "start.json");
    started({ environment, start: startDocument.parse(JSON.parse(readFileSync(file, "utf8"))) });
    const starting = startWorker({
      environment,
      clock: systemClock,
      log: quiet,
      build: compile,
      connectors: builtInConnectors,
    });
    return {
      pid: process.pid,
      exited: starting.then(exitOf, () => ({ exitCode: 1, signal: undefined, oomKilled: false })),
      signal: () => void starting.then((worker) => worker.terminate()).catch(() => undefined),
    };
  };
}

async function exitOf(worker: Worker): Promise<Exit> {
  return { exitCode: await worker.exit, signal: undefined, oomKilled: false };
}
