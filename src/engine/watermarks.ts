import type { Plan, PlanInput, PlanNode } from "./plan.ts";
import { usesProcessingTime } from "./processing-time.ts";

/** A keyed node as watermarks see it: takes the minimum over its origins, fires, and passes its own on. */
interface Follower {
  readonly name: string;
  readonly origins: readonly string[];
  readonly advance: (watermark: number) => void;
  readonly setIdle?: (idle: boolean) => void;
  /** Goes by the clock, until its input ends. */
  readonly processing?: boolean;
}

/** Where a buffer or lookup keeps what it hears, until what came before has been read: then it says it here again, like a source. */
export interface BufferedTime {
  watermark(watermark: number): void;
  idle(idle: boolean): void;
}

/** A table has no part in time. */
const timedInputs = (node: PlanNode | undefined): readonly PlanInput[] =>
  node?.kind === "broadcast" ? node.inputs.slice(0, 1) : (node?.inputs ?? []);

/** A sink that hands time on to other workers, behind the records that it has taken: an exchange. */
export interface SinkTime {
  watermark?(watermark: number): void;
  idle?(idle: boolean): void;
  end?(): void;
}

export interface Followed {
  /** What keyed nodes do when time passes, in topological order. */
  readonly advance: ReadonlyMap<string, (watermark: number) => void>;
  readonly buffered: ReadonlyMap<string, BufferedTime>;
  readonly sinks: ReadonlyMap<string, SinkTime>;
}

/** A buffer's entry has a watermark of its own, ahead of the one that has come through. */
const entryOf = (buffer: string): string => `${buffer}>`;

/** Carries watermarks from sources through keyed nodes; the nodes between them (filter, map, union) have none of their own. */
export class Watermarks {
  private readonly at = new Map<string, number>();
  /** Sources without records, and keyed nodes that only have such origins. */
  private readonly idle = new Set<string>();
  private readonly followers: Follower[];
  /** Processing time has come this far. */
  private processed = Number.NEGATIVE_INFINITY;

  constructor(plan: Plan, { advance, buffered, sinks }: Followed) {
    const lookups = plan.nodes.filter((n) => n.kind === "lookup").map(({ name, inputs }) => ({ node: name, inputs }));
    const buffers = [...(plan.buffers ?? []), ...lookups];
    const origins = [...plan.sources.map((s) => s.node), ...buffers.map((b) => b.node), ...advance.keys()];
    for (const name of origins) this.at.set(name, Number.NEGATIVE_INFINITY);
    this.followers = [...advance].map(([name, run]) => {
      const node = plan.nodes.find((n) => n.name === name);
      const origins = this.originsOf(plan, node?.inputs ?? []);
      return { name, origins, advance: run, processing: node !== undefined && usesProcessingTime(node) };
    });
    for (const { node, inputs } of buffers) {
      const time = buffered.get(node) as BufferedTime;
      const name = entryOf(node);
      this.at.set(name, Number.NEGATIVE_INFINITY);
      this.followers.push({
        name,
        origins: this.originsOf(plan, inputs),
        advance: (watermark) => time.watermark(watermark),
        setIdle: (idle) => time.idle(idle),
      });
    }
    // Last: what a keyed node gives because time passes comes before the word that it has passed.
    for (const { node, inputs } of plan.sinks) this.followWith(node, this.originsOf(plan, inputs), sinks.get(node));
  }

  private followWith(name: string, origins: readonly string[], sink: SinkTime | undefined): void {
    if (sink?.watermark === undefined) return;
    this.at.set(name, Number.NEGATIVE_INFINITY);
    this.followers.push({
      name,
      origins,
      advance: (watermark) => {
        if (watermark === Number.POSITIVE_INFINITY) sink.end?.();
        else sink.watermark?.(watermark);
      },
      setIdle: (idle) => sink.idle?.(idle),
    });
  }

  private originsOf(plan: Plan, inputs: readonly PlanInput[]): string[] {
    const found = new Set<string>();
    const visit = ({ node }: PlanInput): void => {
      if (this.at.has(node)) found.add(node);
      else timedInputs(plan.nodes.find((n) => n.name === node)).forEach(visit);
    };
    inputs.forEach(visit);
    return [...found];
  }

  advance(source: string, watermark: number): void {
    if (watermark <= (this.at.get(source) ?? Number.POSITIVE_INFINITY)) return;
    this.at.set(source, watermark);
    this.pass();
  }

  /** Windows of processing time that end at `now` are over: a record that comes now is in the next one. */
  advanceProcessingTime(now: number): void {
    this.processed = now - 1;
    this.pass();
  }

  /** A source that has nothing to read says nothing about time: it leaves the minimum until it has records again. */
  setIdle(source: string, idle: boolean): void {
    if (idle === this.idle.has(source)) return;
    if (idle) this.idle.add(source);
    else this.idle.delete(source);
    this.pass();
  }

  private pass(): void {
    for (const { name, origins, advance, setIdle, processing } of this.followers) {
      const wasIdle = this.idle.has(name);
      const input = processing === true ? this.processedBy(origins) : this.inputOf(name, origins);
      if (setIdle !== undefined && wasIdle !== this.idle.has(name)) setIdle(!wasIdle);
      if (input <= (this.at.get(name) as number)) continue;
      advance(input);
      this.at.set(name, input);
    }
  }

  /** What is open when the input ends is given then: nobody waits for the clock. */
  private processedBy(origins: readonly string[]): number {
    const ended = origins.every((origin) => this.at.get(origin) === Number.POSITIVE_INFINITY);
    return ended ? Number.POSITIVE_INFINITY : this.processed;
  }

  /** Without an origin that reads, the idle ones say how far time has come; ended ones only when all have ended. */
  private inputOf(name: string, origins: readonly string[]): number {
    let lowest = Number.POSITIVE_INFINITY;
    let highestIdle = Number.NEGATIVE_INFINITY;
    let reading = 0;
    let waiting = 0;
    for (const origin of origins) {
      const at = this.at.get(origin) as number;
      if (at === Number.POSITIVE_INFINITY) continue;
      if (this.idle.has(origin)) {
        waiting++;
        highestIdle = Math.max(highestIdle, at);
      } else {
        reading++;
        lowest = Math.min(lowest, at);
      }
    }
    const idle = reading === 0 && waiting > 0;
    if (idle) this.idle.add(name);
    else this.idle.delete(name);
    return idle ? highestIdle : lowest;
  }
}
