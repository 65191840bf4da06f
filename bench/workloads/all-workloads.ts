import { eventWorkloads } from "./event-workloads.ts";
import { nexmarkWorkloads } from "./nexmark-workloads.ts";
import type { Workload } from "./workload.ts";

/** The rows of the table, in its order. */
export const workloads: readonly Workload[] = [...eventWorkloads, ...nexmarkWorkloads];
