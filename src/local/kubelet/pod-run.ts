import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { AddressPool, PodAddress } from "./addresses.ts";
import type { BackoffPolicy } from "./backoff.ts";
import { type Launch, endLeftover } from "./container-process.ts";
import { type ContainerRun, runContainer } from "./container-run.ts";
import { containerEnvironment } from "./environment.ts";
import type { ImageRunner } from "./images.ts";
import { NotReadyError, type ObjectReader, rememberingReader } from "./object-reader.ts";
import type { Pod, PodStatus } from "./pod.ts";
import { podStatus } from "./status.ts";
import { mountVolumes, refreshSecrets } from "./volumes.ts";

export interface PodRunDependencies {
  /** Folder of all pods' state. */
  readonly dataDir: string;
  readonly addresses: AddressPool;
  readonly images: ImageRunner;
  readonly reader: ObjectReader;
  readonly backoff: BackoffPolicy;
  readonly launch: Launch;
  report(pod: Pod, status: PodStatus, address: PodAddress): void;
  event(pod: Pod, event: { type: "Normal" | "Warning"; reason: string; message: string }): void;
}

export interface PodRun {
  readonly pod: Pod;
  readonly logFile: (container: string | undefined, previous: boolean) => string | undefined;
  /** Stops every container; resolves when all processes are gone. Calling it again shortens nothing. */
  stop(graceSeconds: number): Promise<void>;
  /** Frees the address and removes the pod's folder. */
  dispose(): Promise<void>;
}

/** Quicker than a real kubelet, which takes up to two minutes: people try things out here. */
const REFRESH_MS = 5_000;

export async function runPod(pod: Pod, deps: PodRunDependencies): Promise<PodRun> {
  const folder = join(deps.dataDir, "pods", pod.metadata.uid);
  const root = join(folder, "root");
  await mkdir(join(root, "dev"), { recursive: true });
  await mkdir(join(root, "tmp"), { recursive: true });
  for (const container of pod.spec.containers) endLeftover(join(folder, "pids", container.name));

  const address = await deps.addresses.take(pod.metadata.uid);
  const folders = { root, volumes: join(folder, "volumes"), claims: join(deps.dataDir, "claims") };
  const reader = rememberingReader(deps.reader);
  const runs: ContainerRun[] = [];
  const changed = (): void => {
    if (runs.length < pod.spec.containers.length) return;
    deps.report(
      pod,
      podStatus(
        pod,
        runs.map((run) => run.status()),
        address.ip,
        Date.now(),
      ),
      address,
    );
  };

  for (const container of pod.spec.containers) {
    const run = runContainer(container, {
      pod,
      ip: address.ip,
      root,
      folder,
      backoff: deps.backoff,
      launch: deps.launch,
      port: (wanted) => address.port ?? portOf(container.ports, wanted),
      changed,
      event: (type, reason, message) => deps.event(pod, { type, reason, message }),
      prepare: async () => {
        const command = deps.images.commandFor(container);
        if (command === undefined) {
          throw new NotReadyError(
            "ImagePullBackOff",
            `image "${container.image}" is not known to the embedded cluster: it runs Weir's own image only`,
          );
        }
        await mountVolumes(pod, folders, reader);
        const env = await containerEnvironment(pod, container, { ip: address.ip, reader });
        return {
          command,
          env: {
            // A worker's CPU time at its start is mostly V8 compiling; the cache more than halves it from the second on.
            NODE_COMPILE_CACHE: join(deps.dataDir, "compile-cache"),
            ...env,
            WEIR_POD_ROOT: root,
            ...(address.port === undefined ? {} : { WEIR_PORT: String(address.port) }),
          },
        };
      },
    });
    runs.push(run);
  }
  changed();
  const holdsSecrets = pod.spec.volumes?.some((volume) => volume.secret !== undefined) === true;
  // A Secret that is gone or cannot be read leaves the files as they are.
  let refreshed: Promise<void> = Promise.resolve();
  const refresh = (): void => {
    refreshed = refreshSecrets(pod, folders, reader).catch(() => undefined);
  };
  const refreshing = holdsSecrets ? setInterval(refresh, REFRESH_MS).unref() : undefined;

  return {
    pod,
    logFile: (name, previous) => {
      const index = name === undefined ? 0 : pod.spec.containers.findIndex((c) => c.name === name);
      const run = runs[index];
      if (run === undefined) return undefined;
      return previous ? previousLog(run.logFile()) : run.logFile();
    },
    stop: async (grace) => {
      clearInterval(refreshing);
      for (const run of runs) run.stop(grace);
      // Whoever removes the pod's folder next must not meet a file that is just being written.
      await Promise.all([refreshed, ...runs.map((run) => run.done)]);
    },
    dispose: async () => {
      deps.addresses.release(pod.metadata.uid);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function portOf(
  ports: readonly { name?: string; containerPort: number }[] | undefined,
  wanted: number | string,
): number {
  if (typeof wanted === "number") return wanted;
  return ports?.find((p) => p.name === wanted)?.containerPort ?? 0;
}

/** The log of the run before: files are numbered by restart count. */
function previousLog(file: string): string | undefined {
  return file.replace(/(\d+)\.log$/, (_, n: string) => `${Number(n) - 1}.log`);
}
