/** What of a `datagenJob` each alert is about, and what is done to it. */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JobObject } from "../../src/controllers/weir-resources.ts";
import { datagenJob, kafkaJob } from "./datagen-job.ts";

interface Pipeline {
  readonly nodes: readonly { readonly source?: { readonly datagen: { readRate?: number } } }[];
}

/** `stale` keeps its checkpoints in this folder of its volume. */
export const BLOCKED = "blocked";

/** `full` keeps its RocksDB files in this claim. */
export const SMALL_DISK = "small-disk";
const DISK_MIB = 64;

/** The spec's fields by the job's name. */
export const alertJobs = {
  failed: { startFrom: { savepoint: "file:///var/lib/weir/state/nothing-here" } },
  waiting: { pipeline: pipelineOf(kafkaJob("waiting", "127.0.0.1:1")) },
  late: { slo: { maxLag: "1s" }, pipeline: slowly(pipelineOf(datagenJob("late"))) },
  stale: {
    checkpoint: {
      interval: "500ms",
      timeout: "3s",
      tolerableFailures: 1000,
      storage: { uri: `file:///var/lib/weir/${BLOCKED}` },
    },
  },
  full: {
    state: { backend: "RocksDB" },
    worker: {
      resources: { limits: { memory: "512Mi" } },
      volumes: [{ name: "disk", persistentVolumeClaim: { claimName: SMALL_DISK } }],
      volumeMounts: [{ name: "disk", mountPath: "/tmp/weir-state" }],
    },
  },
  looping: { restart: { strategy: "FixedDelay", delay: "100ms", maxAttempts: -1 } },
};

function pipelineOf({ spec }: JobObject): Pipeline {
  return (spec as { pipeline: Pipeline }).pipeline;
}

/** Records come ten times as fast as a worker reads them. */
function slowly(pipeline: Pipeline): Pipeline {
  for (const { source } of pipeline.nodes) if (source !== undefined) source.datagen.readRate = 100;
  return pipeline;
}

/** Puts a file where the folder is, so that nobody can write into it; the answer takes it away. */
export function block(folder: string): () => void {
  renameSync(folder, `${folder}-away`);
  putFile(folder);
  return () => {
    rmSync(folder);
    renameSync(`${folder}-away`, folder);
  };
}

/** A disk of its own below a folder, for root only. */
export interface SmallDisk {
  /** Something else takes nine tenths of it; the answer takes that away. */
  fill(): () => void;
  unmount(): void;
}

export function mountSmallDisk(folder: string): SmallDisk {
  mkdirSync(folder, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${DISK_MIB}m,mode=0777`, "weir-test", folder]);
  const other = join(folder, "something-else");
  return {
    fill: () => {
      writeFileSync(other, Buffer.alloc(Math.floor(0.9 * DISK_MIB) * 1024 * 1024));
      return () => rmSync(other);
    },
    unmount: () => execFileSync("umount", ["-l", folder]),
  };
}

/** The worker may make the folder anew at any moment. */
function putFile(path: string): void {
  for (;;) {
    try {
      writeFileSync(path, "", { flag: "wx" });
      return;
    } catch {
      rmSync(path, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}
