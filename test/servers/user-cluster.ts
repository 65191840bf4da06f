/** The embedded cluster as a user meets it: the real kubectl puts objects in, and their status says what came of it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Condition } from "../../src/api/conditions.ts";
import type { StreamingJobStatus } from "../../src/api/streaming-job-status.schema.ts";
import { messageOf } from "../../src/errors.ts";
import type { KubeClient } from "../../src/kube/client.ts";
import type { Resource } from "../../src/kube/resource.ts";
import { pods } from "../../src/kube/resource.ts";
import type { WeirObject } from "../../src/controllers/weir-resources.ts";
import { controlPolicies, maintenanceWindows, streamingJobs } from "../../src/controllers/weir-resources.ts";
import { startLocalCluster } from "../../src/main/local-cluster.ts";
import type { CommandResult } from "./kubernetes.ts";
import { kubeBinary, runKubectl } from "./kubernetes.ts";

const KINDS = {
  StreamingJob: streamingJobs,
  ControlPolicy: controlPolicies,
  MaintenanceWindow: maintenanceWindows,
  Pod: pods,
} satisfies Record<string, Resource>;
export type SeenKind = keyof typeof KINDS;

/** Any of Weir's kinds; the fields of a job's status are there for jobs. */
export type Seen = WeirObject<StreamingJobStatus>;

export interface UserCluster {
  readonly client: KubeClient;
  readonly dir: string;
  readonly kubeconfigPath: string;
  /** The folder of the jobs' volume. */
  readonly volume: string;
  /** What the operator logged. */
  readonly log: string[];
  kubectl(args: readonly string[], stdin?: string): Promise<CommandResult>;
  /** `kubectl apply` of these objects. */
  apply(...objects: readonly object[]): Promise<CommandResult>;
  see(kind: SeenKind, name: string): Promise<Seen>;
  /** Resolves with the object once it fits; rejects with its last status when it never does. */
  until(kind: SeenKind, name: string, fits: (object: Seen) => boolean): Promise<Seen>;
  remove(kind: SeenKind, name: string): Promise<void>;
  stop(): Promise<void>;
}

const PATIENCE_MS = 180_000;

export async function startUserCluster(): Promise<UserCluster> {
  const dir = mkdtempSync(join(tmpdir(), "weir-user-"));
  const kube = await kubeBinary();
  const log: string[] = [];
  const { client, kubeconfigPath, claims, stop } = await startLocalCluster({
    dataDir: dir,
    port: 0,
    log: (level, message, error) => void log.push(`${level} ${message} ${messageOf(error)}`),
  });
  const kubectl: UserCluster["kubectl"] = (args, stdin) => runKubectl({ kube, kubeconfigPath, dir }, args, stdin);
  const see: UserCluster["see"] = (kind, name) => client.get<Seen>(KINDS[kind], { namespace: "default", name });
  return {
    client,
    dir,
    kubeconfigPath,
    volume: join(claims, "default/weir-state"),
    log,
    kubectl,
    apply: (...objects) => kubectl(["apply", "-f", "-"], objects.map((o) => JSON.stringify(o)).join("\n---\n")),
    see,
    until: async (kind, name, fits) => {
      for (const deadline = performance.now() + PATIENCE_MS; ; await delay(50)) {
        const now = await see(kind, name);
        if (fits(now)) return now;
        if (performance.now() > deadline)
          throw new Error(`${kind} ${name} stays: ${JSON.stringify(now.status, null, 1)}\n${log.join("\n")}`);
      }
    },
    remove: (kind, name) => client.delete(KINDS[kind], { namespace: "default", name }),
    stop: async () => {
      await stop();
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

export function condition(object: Seen, type: string): Condition | undefined {
  return object.status?.conditions?.find((c) => c.type === type);
}

/** "Stalled=True InvalidPipeline: …", or "" where the condition is not there. */
export function told(object: Seen, type: string): string {
  const c = condition(object, type);
  return c === undefined ? "" : `${c.type}=${c.status} ${c.reason}: ${c.message}`;
}
