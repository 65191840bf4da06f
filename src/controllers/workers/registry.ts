import { WORKER_PORT } from "../../api/ports.ts";
import type { Timers } from "../../kube/timers.ts";
import { STALE_MS } from "../../lifecycle/figures.ts";
import type { PodView, WorkerView } from "../../lifecycle/input.ts";
import { POD_PORT_ANNOTATION } from "../../local/kubelet/addresses.ts";
import { WeirError } from "../../errors.ts";
import { tokenHashOf } from "../streamingjob/pod-view.ts";
import type { PodObject } from "../streamingjob/pod-view.ts";
import type { Connection } from "./connection.ts";
import { openConnection } from "./connection.ts";
import { tokenOfHash } from "./token.ts";
import type { TokenKeys } from "./token.ts";
import type { WorkerClient } from "./worker-client.ts";
import type { Weight, WorkerState } from "./worker-state.ts";

/** The connections of all jobs, by job key. Follows the pods that each reconcile has seen. */
export interface WorkerRegistry {
  /** Opens what is new, closes what is gone, and answers with what is known. */
  sync(
    job: { key: string; uid: string },
    pods: readonly ObservedPod[],
    savepoint: string | undefined,
  ): Promise<WorkerView[]>;
  connection(job: string, pod: string): Connection | undefined;
  /** What the workers of a job say now; a figure is left out while one of them has none that is fresh. */
  live(job: string, workers: number): LiveFigures;
  drop(job: string): void;
  close(): void;
  readonly size: number;
}

export interface LiveFigures {
  readonly lag?: number | undefined;
  /** Age of the oldest unread record, ms. */
  readonly lagMs?: number | undefined;
  /** When the oldest of the newest good checkpoints completed, ms; a worker without one counts from its start. */
  readonly savedAt?: number | undefined;
  /** Of the newest checkpoints: the longest, ms, and the sum of the bytes. */
  readonly checkpointMs?: number | undefined;
  readonly checkpointBytes?: number | undefined;
  /** Of the busiest worker, 0–1. */
  readonly busy?: number | undefined;
}

export interface ObservedPod {
  readonly object: PodObject;
  readonly view: PodView;
}

export interface RegistryOptions {
  readonly client: WorkerClient;
  readonly timers: Timers;
  readonly tokenKeys: TokenKeys;
  /** After this long without a word a worker does not answer, ms. */
  readonly silenceMs?: number | undefined;
  readonly onError: (job: string, error: unknown) => void;
  readonly changed: (job: string, weight: Exclude<Weight, "None">) => void;
}

interface Entry {
  readonly uid: string;
  readonly epoch: number;
  readonly slot: number;
  readonly host: string;
  readonly connection: Connection;
}

/** When the last worker of each slot saved last. */
type Saves = Map<number, { readonly epoch: number; readonly at: number | undefined }>;

export function createWorkerRegistry(options: RegistryOptions): WorkerRegistry {
  const jobs = new Map<string, Map<string, Entry>>();
  const saves = new Map<string, Saves>();

  const savesOf = (job: string): Saves => {
    const known = saves.get(job) ?? new Map<number, never>();
    saves.set(job, known);
    return known;
  };

  const close = (job: string, { connection, epoch, slot }: Entry): void => {
    savesOf(job).set(slot, { epoch, at: connection.state.savedAt });
    connection.close();
  };

  const open = (job: { key: string; uid: string }, { object, view }: ObservedPod, host: string): Entry => {
    const port = Number(object.metadata.annotations?.[POD_PORT_ANNOTATION] ?? WORKER_PORT);
    const { client, timers, changed, tokenKeys, silenceMs } = options;
    const token = tokenOfHash(tokenKeys, job.uid, view, tokenHashOf(object));
    if (token === undefined) options.onError(job.key, otherKey(view.name));
    const before = savesOf(job.key).get(view.slot);
    const savedAt = before?.epoch === view.epoch ? before.at : undefined;
    const connection = openConnection(
      { pod: view.name, host, port, token: token ?? "" },
      { client, timers, savedAt, silenceMs, changed: (weight) => changed(job.key, weight) },
    );
    const { uid, epoch, slot } = view;
    return { uid, epoch, slot, host, connection };
  };

  const follow = (job: { key: string; uid: string }, pods: readonly ObservedPod[]): Map<string, Entry> => {
    const known = jobs.get(job.key) ?? new Map<string, Entry>();
    jobs.set(job.key, known);
    const wanted = new Map(pods.flatMap((p) => (isUp(p) ? [[p.view.name, p] as const] : [])));
    for (const [name, entry] of known) {
      const pod = wanted.get(name);
      if (pod !== undefined && pod.view.uid === entry.uid && pod.object.status?.podIP === entry.host) continue;
      close(job.key, entry);
      known.delete(name);
    }
    for (const [name, pod] of wanted) {
      const host = pod.object.status?.podIP ?? "";
      if (!known.has(name)) known.set(name, open(job, pod, host));
    }
    return known;
  };

  const drop = (job: string): void => {
    for (const entry of jobs.get(job)?.values() ?? []) entry.connection.close();
    jobs.delete(job);
    saves.delete(job);
  };

  return {
    sync: async (job, pods, savepoint) => {
      const known = follow(job, pods);
      const views = pods.map(async ({ view }): Promise<WorkerView | undefined> => {
        const connection = known.get(view.name)?.connection;
        if (connection === undefined) return undefined;
        await connection.tried;
        // Who does not answer is not asked: each question would hold the decision up for as long as a call may take.
        const ask = savepoint !== undefined && connection.reachable();
        const part = ask ? await connection.savepoint(savepoint) : undefined;
        return viewOf(view, connection, part);
      });
      return (await Promise.all(views)).filter((v) => v !== undefined);
    },
    connection: (job, pod) => jobs.get(job)?.get(pod)?.connection,
    live: (job, workers) => {
      const states = [...(jobs.get(job)?.values() ?? [])].map((e) => e.connection.state);
      return states.length === workers && workers > 0 ? liveFigures(states, options.timers.now()) : {};
    },
    drop,
    close: () => [...jobs.keys()].forEach(drop),
    get size() {
      return [...jobs.values()].reduce((sum, entries) => sum + entries.size, 0);
    },
  };
}

const otherKey = (pod: string): WeirError =>
  new WeirError(
    "WORKER_UNREACHABLE",
    `pod ${pod} was made with another key than those of tokenKeyFile; put its key back as a further line of the file, or delete the pod`,
  );

function liveFigures(states: readonly WorkerState[], now: number): LiveFigures {
  const fresh = states.map((s) => (now - s.metricsAt > STALE_MS ? undefined : s.metrics));
  const good = states.map((s) => (s.checkpoint?.ok === true ? s.checkpoint : undefined));
  return {
    lag: overAll(fresh, (m) => m.lag, sum),
    lagMs: overAll(fresh, (m) => m.lagMs, Math.max),
    savedAt: overAll(states, (s) => s.savedAt, Math.min),
    checkpointMs: overAll(good, (c) => c.durationMs, Math.max),
    checkpointBytes: overAll(good, (c) => c.bytes, sum),
    busy: overAll(fresh, (m) => m.busy, Math.max),
  };
}

const sum = (...values: number[]): number => values.reduce((a, b) => a + b, 0);

/** One number from all workers, or none while one of them has none: what leaves something out would look healthy. */
function overAll<T>(
  parts: readonly (T | undefined)[],
  pick: (part: T) => number | null | undefined,
  join: (...values: number[]) => number,
): number | undefined {
  const values = parts.map((part) => (part === undefined ? undefined : pick(part)));
  const known = values.filter((value) => typeof value === "number");
  return known.length === parts.length ? join(...known) : undefined;
}

function isUp({ object, view }: ObservedPod): boolean {
  return view.phase === "Running" && object.status?.podIP !== undefined && object.status.podIP !== "";
}

function viewOf(pod: PodView, connection: Connection, savepoint: WorkerView["savepoint"]): WorkerView {
  const { epoch, slot, attempt } = pod;
  return { ...connection.state, pod: pod.name, epoch, slot, attempt, reachable: connection.reachable(), savepoint };
}
