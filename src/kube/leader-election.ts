import { WeirError } from "../errors.ts";
import type { Interceptor } from "./call.ts";
import { isWrite } from "./call.ts";
import { limitCall } from "./call-limit.ts";
import type { KubeClient } from "./client.ts";
import { isAlreadyExists } from "./kube-error.ts";
import type { Meter } from "./meter.ts";
import { noMeter } from "./meter.ts";
import type { KubeObject, ObjectRef } from "./resource.ts";
import { leases } from "./resource.ts";
import type { Timers } from "./timers.ts";
import { pause, systemTimers } from "./timers.ts";

/** coordination.k8s.io/v1 */
export interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface LeaderElectionOptions {
  /** Must not be fenced by `fenceWrites` of this election. */
  readonly client: KubeClient;
  readonly lease: ObjectRef;
  /** Unique for this process, for example the pod's name and a random suffix. */
  readonly identity: string;
  /**
   * Called once the lease is ours. `term` is greater than that of every leader before. The signal aborts when leadership
   * ends; resolve soon after, because the lease is released only then.
   */
  readonly lead: (term: number, signal: AbortSignal) => Promise<void>;
  /** Others may take over when the lease was not renewed for this long. The defaults are client-go's: 15, 10 and 2 s. */
  readonly leaseDurationMs?: number;
  /** We stop leading when we could not renew for this long. */
  readonly renewDeadlineMs?: number;
  readonly retryMs?: number;
  readonly onError?: (error: unknown) => void;
  readonly meter?: Meter;
  readonly timers?: Timers;
}

/**
 * How it ended. "Released": the outer signal aborted or `lead` resolved by itself, and the lease is free. "Lost": it could not be
 * renewed in time; another process may lead already, so the caller must exit without another write.
 */
export type ElectionEnd = "Released" | "Lost";

export interface LeaderElection {
  run(signal: AbortSignal): Promise<ElectionEnd>;
  /** True while the lease was renewed within the deadline, by the clock: also right when the process was frozen. */
  readonly isLeading: boolean;
  /** Refuses writes while we do not lead. The first call after a long freeze comes before any timer does. */
  readonly fenceWrites: Interceptor;
}

/** What we saw of the lease and when, by `elapsed`: clocks of other machines are never compared, and ours may be set. */
interface Observation {
  readonly lease: Lease;
  readonly at: number;
}

/** By both clocks: one does not count the sleep of a machine, the other one may be set back. */
interface Moment {
  readonly now: number;
  readonly elapsed: number;
}

export function createLeaderElection(options: LeaderElectionOptions): LeaderElection {
  const { client, identity, timers = systemTimers, meter = noMeter } = options;
  const { leaseDurationMs = 15_000, renewDeadlineMs = 10_000, retryMs = 2_000 } = options;
  let seen: Observation | undefined;
  let renewedAt: Moment | undefined;

  const moment = (): Moment => ({ now: timers.now(), elapsed: timers.elapsed() });
  /** By the clock that has gone further: a clock that is set forward costs a leader its lease, it never gives two leaders. */
  const since = (then: Moment): number => Math.max(timers.now() - then.now, timers.elapsed() - then.elapsed);
  const isLeading = (): boolean => renewedAt !== undefined && since(renewedAt) < renewDeadlineMs;
  meter.gauge("leader", { lease: options.lease.name }, () => (isLeading() ? 1 : 0));

  const observe = (lease: Lease): void => {
    const isNew = seen === undefined || seen.lease.metadata.resourceVersion !== lease.metadata.resourceVersion;
    if (isNew) seen = { lease, at: timers.elapsed() };
  };

  /** One try. Resolves to our lease, or `undefined` while somebody else holds it. */
  const acquireOrRenew = async (signal: AbortSignal): Promise<Lease | undefined> => {
    const startedAt = moment();
    const found = await client.find<Lease>(leases, options.lease, { signal });
    if (found !== undefined) observe(found);
    const isOurs = renewedAt !== undefined && found?.spec?.holderIdentity === identity;
    if (found !== undefined && !isOurs && !isFree(found)) return undefined;
    const wanted = leaseOf(found, isOurs, startedAt.now);
    const written =
      found === undefined
        ? await client.create<Lease>(leases, wanted, { signal })
        : await client.update<Lease>(leases, wanted, { signal });
    observe(written);
    renewedAt = startedAt;
    return written;
  };

  const isFree = (lease: Lease): boolean => {
    const holder = lease.spec?.holderIdentity ?? "";
    const duration = (lease.spec?.leaseDurationSeconds ?? leaseDurationMs / 1000) * 1000;
    // Our own identity without a renewal that we know of: an acknowledgement was lost. The new term fences the old one.
    return holder === "" || holder === identity || (seen !== undefined && timers.elapsed() - seen.at >= duration);
  };

  const leaseOf = (found: Lease | undefined, isOurs: boolean, now: number): Lease => ({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: found?.metadata ?? { ...options.lease, namespace: options.lease.namespace ?? "default" },
    spec: {
      ...found?.spec,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: isOurs ? (found?.spec?.acquireTime ?? microTime(now)) : microTime(now),
      renewTime: microTime(now),
      leaseTransitions: isOurs ? termOf(found) : termOf(found) + 1 || firstTerm(now),
    },
  });

  const attempt = async (signal: AbortSignal): Promise<Lease | undefined> => {
    // A hanging call must not outlast the deadline: `lead` is told to stop before anybody else may start.
    const left = renewedAt !== undefined && isLeading() ? renewDeadlineMs - since(renewedAt) : Infinity;
    const limit = limitCall(signal, Math.min(renewDeadlineMs / 2, left), timers);
    try {
      return await acquireOrRenew(limit.signal);
    } catch (e) {
      if (!signal.aborted && !isAlreadyExists(e)) options.onError?.(e);
      return undefined;
    } finally {
      limit.release();
    }
  };

  const acquire = async (signal: AbortSignal): Promise<Lease | undefined> => {
    while (!signal.aborted) {
      const lease = await attempt(signal);
      if (lease !== undefined) return lease;
      await pause(timers, retryMs * (1 + 0.2 * timers.random()), signal);
    }
    return undefined;
  };

  /** Ends when leadership does: by the signal, or because the deadline passed or another holder was seen. */
  const keep = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await pause(timers, retryMs, signal);
      if (signal.aborted || !isLeading()) return;
      await attempt(signal);
      const holder = seen?.lease.spec?.holderIdentity;
      if (holder !== identity || !isLeading()) return;
    }
  };

  /** Reads first: a renewal that was cut off by the abort may have reached the server. */
  const release = async (): Promise<void> => {
    renewedAt = undefined;
    const now = microTime(timers.now());
    try {
      const lease = await client.find<Lease>(leases, options.lease);
      if (lease?.spec?.holderIdentity !== identity) return;
      await client.update<Lease>(leases, {
        ...lease,
        spec: { ...lease.spec, holderIdentity: "", leaseDurationSeconds: 1, renewTime: now, acquireTime: now },
      });
    } catch (e) {
      options.onError?.(e); // the others wait for the lease to run out
    }
  };

  const run = async (signal: AbortSignal): Promise<ElectionEnd> => {
    const lease = await acquire(signal);
    if (lease === undefined) return "Released";
    const leading = new AbortController();
    const work = options.lead(termOf(lease), leading.signal).then(
      () => undefined,
      (e: unknown) => ({ error: e }),
    );
    const done = new AbortController();
    void work.then(() => done.abort());
    await keep(AbortSignal.any([signal, done.signal]));
    const wasLost = !signal.aborted && !done.signal.aborted;
    if (wasLost) renewedAt = undefined;
    leading.abort();
    const failure = await work;
    if (!wasLost) await release();
    if (failure !== undefined) throw failure.error;
    return wasLost ? "Lost" : "Released";
  };

  return {
    run,
    get isLeading() {
      return isLeading();
    },
    fenceWrites: (request, next) => {
      if (!isWrite(request) || isLeading()) return next(request);
      const message = `${identity} does not lead (any more): the ${request.call.verb} of ${request.call.resource} was not sent`;
      return Promise.reject(new WeirError("API_CONFLICT", message));
    },
  };
}

function termOf(lease: Lease | undefined): number {
  return lease?.spec?.leaseTransitions ?? NaN;
}

/**
 * Minutes since 1970. When somebody deletes the lease, a count from 0 would fall behind the terms that workers have seen, and they
 * would refuse the new leader for ever; leaders change less than once a minute.
 */
function firstTerm(now: number): number {
  return Math.floor(now / 60_000);
}

/** metav1.MicroTime is parsed with exactly six fractional digits. */
export function microTime(now: number): string {
  return new Date(now).toISOString().replace("Z", "000Z");
}
