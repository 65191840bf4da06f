import type { Clock } from "../../clock.ts";
import { builtinResources } from "./builtin-resources.ts";
import type { KubeObject } from "./object.ts";
import type { Resource } from "./resource.ts";
import { groupVersion } from "./resource.ts";
import type { Store } from "./store.ts";

/** Where the log of a container comes from; the process kubelet registers itself here. */
export interface PodLogRequest {
  pod: KubeObject;
  container: string;
  follow: boolean;
  previous: boolean;
  timestamps: boolean;
  tailLines: number | undefined;
  limitBytes: number | undefined;
  sinceSeconds: number | undefined;
  sinceTime: string | undefined;
  signal: AbortSignal;
}
export type PodLogs = (request: PodLogRequest) => AsyncIterable<Uint8Array | string>;

/** What is served now: the built-in kinds and those of the installed definitions. */
export interface Catalogue {
  all(): readonly Resource[];
  find(group: string, version: string, plural: string): Resource | undefined;
  byKind(apiVersion: string, kind: string): Resource | undefined;
  /** Replaces what a definition serves. */
  serve(definition: string, resources: readonly Resource[]): void;
  withdraw(definition: string): void;
}

export function createCatalogue(): Catalogue {
  const custom = new Map<string, readonly Resource[]>();
  const all = (): readonly Resource[] => [...builtinResources, ...[...custom.values()].flat()];
  return {
    all,
    find: (group, version, plural) =>
      all().find((r) => r.group === group && r.version === version && r.plural === plural),
    byKind: (apiVersion, kind) => all().find((r) => r.kind === kind && groupVersion(r) === apiVersion),
    serve: (definition, resources) => void custom.set(definition, resources),
    withdraw: (definition) => void custom.delete(definition),
  };
}

/** What every handler works on. */
export interface Cluster {
  readonly store: Store;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly newUid: () => string;
  podLogs: PodLogs | undefined;
}
