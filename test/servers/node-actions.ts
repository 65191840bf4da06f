/** What can happen to a node: a process is killed, a component ends and comes back. */
import { setTimeout as delay } from "node:timers/promises";
import { clusterScript } from "./node-script.ts";

export type NodeComponent = "etcd" | "apiserver" | "controllers" | "scheduler" | "containerd" | "kubelet" | "proxy";

export interface NodeActions {
  stop(component: NodeComponent): Promise<void>;
  /** kill -9. */
  kill(component: NodeComponent): Promise<void>;
  /** Starts it again, and resolves when it serves. */
  start(component: NodeComponent): Promise<void>;
  restart(component: NodeComponent): Promise<void>;
  /** Runs a command in the node's mount, network and PID namespaces, and gives what it printed. */
  inside(command: readonly string[]): Promise<string>;
  /** The pid of a container's first process in the node's PID namespace. `id` as in a pod's status. */
  pidOf(containerId: string): Promise<number>;
  /** When that process was started, ms since the epoch, to a hundredth of a second. */
  startOf(containerId: string): Promise<number>;
  /** kill -9 to a container's first process, as the kernel would. */
  killContainer(containerId: string): Promise<void>;
  /** Gives an image that the node has another name, also where that was another image's. */
  tagImage(image: string, name: string): Promise<void>;
  /** Empties a volume that was released, and offers it again. */
  recycle(volume: string): Promise<void>;
}

const CONTAINERD = ["ctr", "-a", "/run/containerd/containerd.sock", "-n", "k8s.io"];

export function nodeActions(cluster: number): NodeActions {
  const run = (...args: readonly string[]): Promise<string> => clusterScript(cluster, args);
  const inside: NodeActions["inside"] = (command) => run("inside", ...command);
  const pidOf: NodeActions["pidOf"] = async (containerId) => {
    const id = containerId.replace("containerd://", "");
    const tasks = await inside([...CONTAINERD, "task", "ls"]);
    const found = tasks.split("\n").find((line) => line.startsWith(id));
    const pid = Number(found?.trim().split(/\s+/)[1]);
    if (!Number.isInteger(pid) || pid === 0) throw new Error(`no container ${id} runs on the node:\n${tasks}`);
    return pid;
  };
  return {
    stop: async (component) => void (await run("stop", component)),
    kill: async (component) => void (await run("kill", component)),
    start: async (component) => void (await run("start", component)),
    restart: async (component) => {
      await run("stop", component);
      await run("start", component);
    },
    inside,
    pidOf,
    startOf: async (containerId) => {
      // proc(5): field 22 of stat, counted from the name's closing bracket, in ticks of 10 ms since the boot.
      const stat = await inside(["cat", `/proc/${await pidOf(containerId)}/stat`, "/proc/uptime"]);
      const ticks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
      const uptime = Number(stat.trimEnd().split("\n").at(-1)?.split(" ")[0]);
      return Date.now() - (uptime * 1000 - ticks * 10);
    },
    killContainer: async (containerId) => void (await inside(["kill", "-9", String(await pidOf(containerId))])),
    tagImage: async (image, name) => void (await inside([...CONTAINERD, "images", "tag", "--force", image, name])),
    recycle: async (volume) => void (await run("recycle", volume)),
  };
}

/** Polls until `look` gives something; rejects with what was seen last. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
  options: { readonly seconds?: number; readonly seen?: () => unknown; readonly everyMs?: number } = {},
): Promise<T> {
  const { seconds = 120, everyMs = 200 } = options;
  for (const deadline = performance.now() + seconds * 1000; ; await delay(everyMs)) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > deadline) {
      const seen = await options.seen?.();
      throw new Error(`not within ${seconds} s: ${what}${seen === undefined ? "" : `\n${text(seen)}`}`);
    }
  }
}

const text = (seen: unknown): string => (typeof seen === "string" ? seen : JSON.stringify(seen, null, 1));
