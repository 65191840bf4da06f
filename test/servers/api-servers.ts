import type { ApiServer } from "../../src/kube/credentials.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import { startControlPlane } from "./kubernetes.ts";

export interface RunningApiServer {
  readonly server: ApiServer;
  stop(): Promise<void>;
}

export interface ApiServerTarget {
  readonly name: string;
  start(): Promise<RunningApiServer>;
}

/** What the suites of the Kubernetes client run against. */
export const apiServers: readonly ApiServerTarget[] = [
  { name: "kube-apiserver", start: () => startControlPlane() },
  {
    name: "the embedded API server",
    start: async () => {
      const embedded = await startApiServer();
      return { server: fixedServer(embedded.url), stop: () => embedded.stop() };
    },
  },
];
