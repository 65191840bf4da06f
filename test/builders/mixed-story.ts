/** The life of a job whose workers are killed, frozen, saved and rescaled at random, as the operator and the kubelet would do it. */
import { cpSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { RestorePoint, SavepointStatus } from "../../src/api/worker-protocol.ts";
import type { MixedJob } from "./mixed-job.ts";
import type { PodWorkers } from "./pod-workers.ts";
import type { Random } from "./random.ts";
import { startDocumentOf, type WorkerProcess } from "./worker-process.ts";

/** Nothing may take longer. */
const PATIENCE_MS = 240_000;
const ACTS = 6;

export interface MixedFigures {
  kills: number;
  frozen: number;
  savepoints: number;
  epochs: number;
}

interface Slot {
  worker: WorkerProcess;
  attempt: number;
  ended: boolean;
}

export class MixedStory {
  readonly figures: MixedFigures = { kills: 0, frozen: 0, savepoints: 0, epochs: 1 };
  private readonly job: MixedJob;
  private readonly pod: PodWorkers;
  private readonly r: Random;
  private epoch = 1;
  private generation = 1;
  private restore: RestorePoint = { kind: "none" };
  private rocks: boolean;
  private slots: Slot[] = [];
  private readonly frozen: WorkerProcess[] = [];
  private isFast = false;

  constructor(job: MixedJob, pod: PodWorkers, r: Random) {
    this.job = job;
    this.pod = pod;
    this.r = r;
    this.rocks = r.chance(0.5);
  }

  async play(): Promise<void> {
    await this.launchAll(1 + this.r.below(3));
    await this.untilUp();
    for (let act = 0; act < ACTS; act++) {
      await delay(this.r.chance(0.25) ? this.r.below(300) : this.r.below(2_500));
      const what = this.r.below(10);
      if (what < 3) await this.kill(this.some());
      else if (what < 4) await this.freeze(this.r.below(this.slots.length));
      else if (what < 5) await this.save(false);
      else if (what < 8) await this.rescaleBySavepoint();
      else await this.rescaleByCheckpoint();
    }
    await this.toTheEnd();
  }

  private async launch(slot: number, attempt: number): Promise<Slot> {
    const start = startDocumentOf({
      job: this.job.name,
      lineage: this.job.name,
      epoch: this.epoch,
      slots: Math.max(this.slots.length, slot + 1),
      restore: this.restore,
      exchange: { generation: this.generation },
      ...(this.rocks ? { rocksdb: { memoryBytes: 32 * 1024 * 1024 } } : {}),
    });
    const plan = this.job.plan(this.isFast ? 0 : Math.round(this.job.records.length / 12));
    const worker = await this.pod.launch({ plan, start, slot, attempt });
    const launched: Slot = { worker, attempt, ended: false };
    void worker.exited.then(() => (launched.ended = true));
    return launched;
  }

  private async launchAll(count: number): Promise<void> {
    this.slots = Array.from({ length: count }, () => ({}) as Slot);
    this.slots = await Promise.all(this.slots.map((_, slot) => this.launch(slot, 0)));
  }

  private some(): number[] {
    const count = this.r.chance(0.5) ? 1 : 1 + this.r.below(this.slots.length);
    const from = this.r.below(this.slots.length);
    return Array.from({ length: count }, (_, i) => (from + i) % this.slots.length);
  }

  /** The container is started again, or the pod replaced. */
  private async kill(which: readonly number[]): Promise<void> {
    const again = which.map((slot) => ({ slot, attempt: (this.slots[slot]?.attempt ?? 0) + this.r.below(2) }));
    await Promise.all(
      again.map(async ({ slot, attempt }) => {
        await this.end(slot);
        this.slots[slot] = await this.launch(slot, attempt);
      }),
    );
  }

  private async end(slot: number): Promise<void> {
    const { worker } = this.slots[slot] as Slot;
    worker.kill("SIGKILL");
    await worker.exited;
    this.figures.kills++;
  }

  /** It is replaced, and wakes up later. */
  private async freeze(slot: number): Promise<void> {
    const { worker, attempt } = this.slots[slot] as Slot;
    worker.kill("SIGSTOP");
    this.frozen.push(worker);
    this.figures.frozen++;
    const wakesIn = this.r.below(6_000);
    setTimeout(() => worker.kill("SIGCONT"), wakesIn);
    this.slots[slot] = await this.launch(slot, attempt + 1);
  }

  /** Whoever has ended by itself is started again. */
  private async nurse(): Promise<void> {
    for (const [slot, { ended, attempt }] of this.slots.entries())
      if (ended) this.slots[slot] = await this.launch(slot, attempt);
  }

  private async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await isSo())) {
      if (performance.now() > deadline) throw new Error(`${what} took too long:\n${await this.state()}`);
      await delay(50);
      await this.nurse();
    }
  }

  private async state(): Promise<string> {
    const statuses = this.slots.map(({ worker }) => worker.status().catch(String));
    const logs = this.slots.map(({ worker }) => worker.log.slice(-5).join("\n"));
    return `${JSON.stringify(await Promise.all(statuses))}\n${logs.join("\n---\n")}`;
  }

  private async every(fits: (status: Awaited<ReturnType<WorkerProcess["status"]>>) => boolean): Promise<boolean> {
    const answers = this.slots.map(({ worker }) => worker.status().then(fits, () => false));
    return (await Promise.all(answers)).every(Boolean);
  }

  private untilUp(): Promise<void> {
    return this.until("coming up", () => this.every(({ phase }) => phase === "Running" || phase === "Paused"));
  }

  private async all(method: string, path: string, body?: object): Promise<void> {
    await Promise.all(this.slots.map(({ worker }) => worker.call(method, path, body).catch(() => undefined)));
  }

  /** Undefined where it failed, as the words of the workers say; they go on then. */
  private async save(pause: boolean): Promise<string | undefined> {
    const id = `${this.epoch}-${this.figures.savepoints++}`;
    const uri = `file:///savepoints/${id}`;
    let disturbs = this.r.chance(0.5);
    let statuses: (SavepointStatus | undefined)[] = [];
    await this.until(`savepoint ${id}`, async () => {
      statuses = await Promise.all(this.slots.map(({ worker }) => askedFor(worker, { id, uri, pause })));
      if (disturbs && statuses.some((status) => status !== undefined)) {
        disturbs = false;
        await delay(this.r.below(250));
        await this.kill(this.some());
        return false;
      }
      const states = statuses.map((status) => status?.state);
      return states.includes("Failed") || states.every((state) => state === "Completed");
    });
    if (statuses.some((status) => status?.state === "Failed")) {
      await this.all("DELETE", `/v1/savepoints/${id}`);
      await this.all("POST", "/v1/resume");
      return undefined;
    }
    const parts = statuses.map((status) => status?.part);
    await this.until(`sealing ${id}`, async () => {
      const { worker } = this.slots[this.r.below(this.slots.length)] as Slot;
      const answer = worker.call("PUT", `/v1/savepoints/${id}/metadata`, { uri, parts });
      return await answer.then(
        ({ status }) => status === 200,
        () => false,
      );
    });
    return uri;
  }

  private async rescaleBySavepoint(): Promise<void> {
    const uri = await this.save(true);
    if (uri === undefined) return;
    if (this.r.chance(0.5)) {
      await this.all("POST", "/v1/stop", { mode: "Savepoint", drain: false, discard: this.r.chance(0.5) });
      await Promise.all(this.slots.map(({ worker }) => worker.exited));
    }
    const copy = `file:///copies/${this.epoch}`;
    const isCopied = this.r.chance(0.4);
    const folder = (of: string): string => join(this.pod.path, of.slice("file:///".length));
    if (isCopied) cpSync(folder(uri), folder(copy), { recursive: true });
    this.generation++;
    await this.next({ kind: "savepoint", uri: isCopied ? copy : uri, allowNonRestoredState: false });
  }

  private async rescaleByCheckpoint(): Promise<void> {
    await this.untilUp();
    await this.next({ kind: "checkpoint", epoch: this.epoch, slots: this.slots.length });
  }

  private async next(restore: RestorePoint): Promise<void> {
    await Promise.all(this.slots.map((_, slot) => this.end(slot)));
    this.restore = restore;
    this.epoch++;
    this.figures.epochs++;
    this.rocks = this.r.chance(0.5);
    await this.launchAll(1 + this.r.below(3));
  }

  private async toTheEnd(): Promise<void> {
    for (const worker of this.frozen) worker.kill("SIGCONT");
    await delay(1_000);
    this.isFast = true;
    await this.kill(this.slots.map((_, slot) => slot));
    await this.all("POST", "/v1/resume");
    for (let quiet = 0; quiet < 3; quiet++) {
      await this.until("reading all", () =>
        this.every(({ phase, metrics }) => phase === "Running" && metrics.lag === 0),
      );
      await delay(300);
    }
    await this.all("POST", "/v1/stop", { mode: "Checkpoint", drain: true });
    const ends = await Promise.all(this.slots.map(({ worker }) => worker.exited));
    if (ends.some(({ code }) => code !== 0)) throw new Error(`a worker did not end well:\n${await this.state()}`);
  }
}

/** Undefined where it was asked for only now, or the worker does not answer. */
async function askedFor(
  worker: WorkerProcess,
  request: { readonly id: string; readonly uri: string; readonly pause: boolean },
): Promise<SavepointStatus | undefined> {
  try {
    const { status, body } = await worker.call("GET", `/v1/savepoints/${request.id}`);
    if (status !== 404) return body as SavepointStatus;
    await worker.call("POST", "/v1/savepoints", request);
  } catch {
    // It is starting, or ending.
  }
  return undefined;
}
