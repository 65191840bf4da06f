import type { PlanLookupCache } from "../plan.ts";
import type { LookupAnswer } from "./lookup-port.ts";

interface Entry {
  readonly answer: LookupAnswer;
  readonly writtenAt: number;
}

/** Answers by key, of which the longest unused make room; they expire some time after they came, not after their last use. */
export class AnswerCache {
  private readonly limits: PlanLookupCache;
  /** The longest unused first. */
  private readonly entries = new Map<string, Entry>();
  private rows = 0;

  constructor(limits: PlanLookupCache) {
    this.limits = limits;
  }

  get(key: string, now: number): LookupAnswer | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    this.entries.delete(key);
    const { ttlMs } = this.limits;
    if (ttlMs > 0 && now - entry.writtenAt >= ttlMs) {
      this.rows -= weight(entry);
      return undefined;
    }
    this.entries.set(key, entry);
    return entry.answer;
  }

  put(key: string, answer: LookupAnswer, now: number): void {
    if (answer.rows.length === 0 && !this.limits.missing) return;
    this.remove(key);
    const entry = { answer, writtenAt: now };
    if (weight(entry) > this.limits.rows) return;
    this.entries.set(key, entry);
    this.rows += weight(entry);
    for (const oldest of this.entries.keys()) {
      if (this.rows <= this.limits.rows) break;
      this.remove(oldest);
    }
  }

  private remove(key: string): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.rows -= weight(entry);
  }
}

/** A key without a row takes its place, too. */
const weight = ({ answer }: Entry): number => Math.max(1, answer.rows.length);
