import {
  checkpointRequest,
  savepointMetadataRequest,
  savepointRequest,
  stopRequest,
  type SavepointStatus,
  type WorkerStatus,
} from "../api/worker-protocol.ts";
import type { StorageOpener } from "../engine/checkpoint/storage.ts";
import type { RunningSlot, StopMode } from "../engine/runtime/slot.ts";
import { isWeirError, messageOf, WeirError } from "../errors.ts";
import type { Answer, Route } from "./control-server.ts";
import type { EventStream } from "./events.ts";
import { sealing } from "./sealing.ts";

/** Answers are remembered by the caller's ids, so that a repeated call does nothing twice. */
const REMEMBERED = 64;

export interface CallTarget {
  /** Throws WORKER_UNREACHABLE while the slot is not running yet: the caller tries again. */
  readonly slot: () => RunningSlot;
  readonly status: () => WorkerStatus;
  readonly ready: () => boolean;
  readonly stop: (mode: StopMode, how: { readonly drain: boolean; readonly discard: boolean }) => void;
  /** A savepoint has its part, or is being completed: whoever asked for it will ask for more. */
  readonly saved: () => void;
  readonly events: EventStream;
  readonly metrics: () => Promise<{ text: string; type: string }>;
  readonly openStorage: StorageOpener;
}

/** The control API, one line a call. */
export function controlRoutes(target: CallTarget): readonly Route[] {
  const savepoints = remembered<SavepointStatus>();
  const checkpoints = remembered<true>();
  const inProgress = new Map<string, AbortController>();
  const seals = sealing(target.openStorage);
  const saving = (): string[] => [
    ...new Set([...inProgress.keys(), ...(seals.underway === undefined ? [] : [seals.underway])]),
  ];
  return [
    { method: "GET", path: "/healthz", run: () => ({ status: 200, text: "ok\n" }) },
    { method: "GET", path: "/readyz", run: () => readiness(target) },
    { method: "GET", path: "/metrics", run: async () => ({ status: 200, ...(await target.metrics()) }) },
    {
      method: "GET",
      path: "/v1/status",
      run: () => ({ status: 200, json: { ...target.status(), saving: saving() } }),
    },
    { method: "GET", path: "/v1/events", run: ({ response }) => (target.events.follow(response), "kept") },
    {
      method: "POST",
      path: "/v1/checkpoints",
      run: async (call) => {
        const { id } = await call.body(checkpointRequest);
        if (checkpoints.get(id) === undefined) void target.slot().checkpoint();
        checkpoints.set(id, true);
        return accepted({ id });
      },
    },
    {
      method: "POST",
      path: "/v1/savepoints",
      run: async (call) => {
        const request = await call.body(savepointRequest);
        const known = savepoints.get(request.id);
        if (known !== undefined && known.state !== "Failed") return accepted(known);
        const slot = target.slot();
        savepoints.set(request.id, { id: request.id, state: "InProgress" });
        const unwanted = new AbortController();
        inProgress.set(request.id, unwanted);
        void slot.savepoint(request, unwanted.signal).then(
          (part) => {
            inProgress.delete(request.id);
            savepoints.set(request.id, { id: request.id, state: "Completed", part });
            target.saved();
            target.events.publish({ type: "savepoint", id: request.id, ok: true });
          },
          (e: unknown) => {
            inProgress.delete(request.id);
            const error = messageOf(e);
            const said = isWeirError(e) ? { code: e.code } : {};
            savepoints.set(request.id, { id: request.id, state: "Failed", error, ...said });
            target.events.publish({ type: "savepoint", id: request.id, ok: false, message: error });
          },
        );
        return accepted(savepoints.get(request.id));
      },
    },
    {
      method: "GET",
      path: "/v1/savepoints/:id",
      run: ({ id }) => {
        const status = savepoints.get(id);
        if (status?.state === "Completed") target.saved();
        if (status !== undefined) return { status: 200, json: status };
        return {
          status: 404,
          json: { code: "SAVEPOINT_NOT_FOUND", message: `this worker knows no savepoint "${id}"` },
        };
      },
    },
    {
      method: "DELETE",
      path: "/v1/savepoints/:id",
      run: ({ id }) => {
        const error = new WeirError("CHECKPOINT_UNWRITABLE", `savepoint ${id} was given up: nobody waits for it`);
        inProgress.get(id)?.abort(error);
        seals.abandon(id, error);
        return { status: 204 };
      },
    },
    {
      method: "PUT",
      path: "/v1/savepoints/:id/metadata",
      run: async (call) => {
        const savepoint = await call.body(savepointMetadataRequest);
        target.saved();
        return { status: 200, json: await seals.seal(call.id, savepoint) };
      },
    },
    { method: "POST", path: "/v1/pause", run: () => steer(target.slot(), (slot) => slot.pause()) },
    { method: "POST", path: "/v1/resume", run: () => steer(target.slot(), (slot) => slot.resume()) },
    {
      method: "POST",
      path: "/v1/stop",
      run: async (call) => {
        const { mode, ...how } = await call.body(stopRequest);
        target.stop(mode, how);
        return accepted({ mode, drain: how.drain });
      },
    },
  ];
}

/** A worker that is restarted by the kubelet goes by its newest checkpoint: the next regular one may come too late. */
function steer(slot: RunningSlot, order: (slot: RunningSlot) => void): Answer {
  const before = slot.paused;
  order(slot);
  if (slot.paused !== before) void slot.checkpoint();
  return { status: 204 };
}

const accepted = (json: unknown): Answer => ({ status: 202, json });

function readiness(target: CallTarget): Answer {
  if (target.ready()) return { status: 200, text: "ready\n" };
  const { phase, problem } = target.status();
  return { status: 503, text: `${phase}${problem === null ? "" : `: ${problem.message}`}\n` };
}

export function notRunning(phase: string): WeirError {
  return new WeirError("WORKER_UNREACHABLE", `the worker is ${phase} and does not run yet; try again`, {
    retryAfterMs: 1000,
  });
}

function remembered<T>(): { get(id: string): T | undefined; set(id: string, value: T): void } {
  const values = new Map<string, T>();
  return {
    get: (id) => values.get(id),
    set: (id, value) => {
      values.set(id, value);
      const [oldest] = values.keys();
      if (values.size > REMEMBERED && oldest !== undefined) values.delete(oldest);
    },
  };
}
