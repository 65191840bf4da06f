import type { Workload } from "../workloads/workload.ts";

/** A system under measure: everything that differs between them is behind this. */
export interface Peer {
  /** With its version. */
  readonly name: string;
  /** Passes over the input of each workload that count. */
  readonly runs: number;
  /** Passes over the input that come before them. */
  readonly warmUps: number;
  /** Why it cannot do this work; undefined where it can. */
  refuses(workload: Workload): string | undefined;
  /** Reads the whole input; resolves when everything that follows from it is in the output topic, committed. */
  run(workload: Workload, place: Place): Promise<Measured>;
  /** Stops what it has running between its runs, so that others have the machine. */
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}

/** Where one run reads and writes. */
export interface Place {
  /** Unlike that of every other run. */
  readonly run: string;
  readonly brokers: readonly string[];
  readonly input: string;
  readonly output: string;
  /** In the input, sentinels included. */
  readonly records: number;
}

export interface Measured {
  /** User and system time of the processes that do the work, over the warm part of the run. */
  readonly perCpuSecond: number;
  readonly perWallSecond: number;
  readonly peakMiB: number;
}

/** Everybody's work runs on this core alone; brokers and what coordinates may use the others. */
export const WORK_CORE = 0;
