/**
 * A stage on which objects of Weir live through what their statuses tell of: every version that an API server ever showed
 * of an object is kept, so that also a state that lasts for milliseconds can be asked for.
 */
import type { KindName } from "../../src/api/group.ts";
import type { WeirObject } from "../../src/controllers/weir-resources.ts";
import { controlPolicies, maintenanceWindows, streamingJobs } from "../../src/controllers/weir-resources.ts";
import { createKubeClient } from "../../src/kube/client.ts";
import type { ApiServer } from "../../src/kube/credentials.ts";
import type { Informer } from "../../src/kube/informer.ts";
import { createInformer } from "../../src/kube/informer.ts";
import type { Resource } from "../../src/kube/resource.ts";
import { pods } from "../../src/kube/resource.ts";
import { fixedServer } from "../../src/kube/credentials.ts";
import { createTransport } from "../../src/kube/transport.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { RunningOperator } from "../../src/main/operator.ts";
import { installDefinitions } from "../../src/main/local-cluster.ts";
import type { StreamingJobStatus } from "../../src/api/streaming-job-status.schema.ts";
import type { Condition } from "../../src/api/conditions.ts";
import type { Ground } from "./weir-ground.ts";
import { startGround } from "./weir-ground.ts";

/** Any of Weir's kinds; the fields of a job's status are there for jobs. */
export type Version = WeirObject<StreamingJobStatus>;

export interface Stage {
  create(object: Version): Promise<void>;
  /** A merge patch. */
  change(kind: KindName, name: string, patch: object): Promise<void>;
  annotate(name: string, annotations: Readonly<Record<string, string | null>>): Promise<void>;
  remove(kind: KindName, name: string): Promise<void>;
  losePod(name: string): Promise<void>;
  /** The first version that fits, not older than the last one asked for of this object. */
  seen(kind: KindName, name: string, fits: (object: Version) => boolean): Promise<Version>;
  startOperator(): Promise<void>;
  stop(): Promise<void>;
}

const RESOURCES: Readonly<Record<KindName, Resource>> = {
  StreamingJob: streamingJobs,
  ControlPolicy: controlPolicies,
  MaintenanceWindow: maintenanceWindows,
};
const NAMESPACE = "default";

/** On the embedded API server. */
export async function startStage(): Promise<Stage> {
  const api = await startApiServer();
  const server: ApiServer = fixedServer(api.url);
  const transport = createTransport({ server });
  await installDefinitions(createKubeClient(transport));
  await transport.close();
  const ground: Ground = await startGround(server);
  const { client } = ground;
  const ending = new AbortController();
  const versions = new Map<string, Version[]>();
  const asked = new Map<string, number>();
  const follow = (resource: Resource): Informer<Version> & { ended: Promise<void> } => {
    const informer = createInformer<Version>({ client, resource });
    informer.onChange(({ type, object }) => {
      const key = `${resource.kind}/${object.metadata.name}`;
      if (type !== "Deleted") versions.set(key, [...(versions.get(key) ?? []), object]);
    });
    return Object.assign(informer, { ended: informer.run(ending.signal) });
  };
  const informers = Object.values(RESOURCES).map(follow);
  await Promise.all(informers.map((informer) => informer.waitForSync()));
  const operators: RunningOperator[] = [];
  const refTo = (name: string): { namespace: string; name: string } => ({ namespace: NAMESPACE, name });

  return {
    create: async (object) => {
      await client.create(RESOURCES[object.kind as KindName], object, { fieldValidation: "Strict" });
    },
    change: async (kind, name, patch) => {
      await client.patch(RESOURCES[kind], refTo(name), patch, { fieldValidation: "Strict" });
    },
    annotate: async (name, annotations) => {
      await client.patch(streamingJobs, refTo(name), { metadata: { annotations } });
    },
    remove: (kind, name) => client.delete(RESOURCES[kind], refTo(name)),
    losePod: (name) => client.delete(pods, refTo(name), { gracePeriodSeconds: 0 }),
    seen: async (kind, name, fits) => {
      const key = `${kind}/${name}`;
      const since = asked.get(key) ?? 0;
      const index = (): number => (versions.get(key) ?? []).findIndex((object, i) => i >= since && fits(object));
      await ground.until(
        `was as expected: ${key}, ${fits.toString()}`,
        () => index() >= 0,
        () => versions.get(key)?.at(-1)?.status,
        120_000,
      );
      asked.set(key, index());
      return versions.get(key)?.[index()] as Version;
    },
    startOperator: async () => {
      const operator = await ground.operator(NAMESPACE);
      operators.push(operator);
      await operator.leading;
    },
    stop: async () => {
      await Promise.all(operators.map((operator) => operator.stop()));
      ending.abort();
      await Promise.all(informers.map((informer) => informer.ended.catch(() => undefined)));
      await ground.stop();
      await api.stop();
    },
  };
}

export function condition(object: Version, type: string): Condition | undefined {
  return object.status?.conditions?.find((c) => c.type === type);
}
