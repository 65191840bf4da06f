import { afterEach, beforeEach } from "vitest";
import { podRoot, startWorkerProcess, type WorkerProcess, type WorkerProcessOptions } from "./worker-process.ts";

/** Workers of one pod's folder, which is new for each test; what still runs when a test ends is killed. */
export interface PodWorkers {
  /** What the workers see as "/". */
  readonly path: string;
  launch(options: Omit<WorkerProcessOptions, "root">): Promise<WorkerProcess>;
}

/** For the file that calls it. */
export function podWorkers(): PodWorkers {
  let root: Awaited<ReturnType<typeof podRoot>>;
  const alive = new Set<WorkerProcess>();

  beforeEach(async () => {
    root = await podRoot();
  });
  afterEach(async () => {
    for (const worker of alive) worker.kill("SIGKILL");
    await Promise.all([...alive].map((worker) => worker.exited));
    await root.remove();
  });

  return {
    get path() {
      return root.path;
    },
    launch: async (options) => {
      const worker = await startWorkerProcess({ root: root.path, ...options });
      alive.add(worker);
      void worker.exited.then(() => alive.delete(worker));
      return worker;
    },
  };
}
