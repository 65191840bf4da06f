import { readFileSync, writeFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import type { WorkerEnvironment, WorkerFailure } from "../api/worker-protocol.ts";

/** The pod's paths, secrets and termination message as this process finds them. */
export interface PodFiles {
  /** An absolute path of the pod as one of this process. */
  readonly resolvePath: (path: string) => string;
  readonly secret: (name: string, key: string) => string | undefined;
  readonly configMap: (name: string, key: string) => string | undefined;
  /** Kubernetes shows it as the reason of the container's end. Never fails: there is nothing left to tell. */
  readonly sayWhy: (failure: WorkerFailure) => void;
}

/** Kubernetes keeps 4 KiB. */
const MAX_MESSAGE_BYTES = 4096;

type Places = Pick<
  WorkerEnvironment,
  "WEIR_POD_ROOT" | "WEIR_SECRETS_DIR" | "WEIR_CONFIG_MAPS_DIR" | "WEIR_TERMINATION_LOG"
>;

export function podFiles(places: Places): PodFiles {
  const { WEIR_POD_ROOT: root } = places;
  const resolvePath = (path: string): string => (root === undefined || !isAbsolute(path) ? path : join(root, path));
  const mounted = (dir: string) => (name: string, key: string) => {
    if (!isPlainName(name) || !isPlainName(key)) return undefined;
    try {
      return readFileSync(join(resolvePath(dir), name, key), "utf8");
    } catch {
      return undefined;
    }
  };
  return {
    resolvePath,
    secret: mounted(places.WEIR_SECRETS_DIR),
    configMap: mounted(places.WEIR_CONFIG_MAPS_DIR),
    sayWhy: (failure) => {
      try {
        writeFileSync(resolvePath(places.WEIR_TERMINATION_LOG), shortened(failure));
      } catch {
        // The failure is in the log and on the event stream as well.
      }
    },
  };
}

function shortened(failure: WorkerFailure): string {
  let { message } = failure;
  for (;;) {
    const text = JSON.stringify({ ...failure, message });
    const over = Buffer.byteLength(text) - MAX_MESSAGE_BYTES;
    if (over <= 0 || message.length === 0) return text;
    message = message.slice(0, Math.max(0, message.length - Math.max(over, 16)));
  }
}

const isPlainName = (name: string): boolean => /^[-._a-zA-Z0-9]+$/.test(name) && name !== "." && name !== "..";
