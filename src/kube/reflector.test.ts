import { afterEach, describe, expect, it } from "vitest";
import type { KubeClient, KubeList, ListOptions, WatchOptions } from "./client.ts";
import { KubeError } from "./kube-error.ts";
import { manualTimers } from "./manual-timers.ts";
import { recordingMeter } from "./meter.ts";
import { runReflector } from "./reflector.ts";
import type { KubeObject } from "./resource.ts";
import { pods } from "./resource.ts";
import type { WatchEvent } from "./watch-stream.ts";

const pod = (name: string, resourceVersion: string): KubeObject => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, namespace: "default", uid: name, resourceVersion },
});

interface Connection {
  readonly options: WatchOptions;
  send(event: WatchEvent<KubeObject>): void;
  end(): void;
}

/** A server that answers what the test tells it to: only time is under test here. */
function scriptedServer(list: () => KubeList<KubeObject>, failures: Error[]) {
  const lists: ListOptions[] = [];
  const watches: Connection[] = [];
  const client: Pick<KubeClient, "list" | "watch"> = {
    list: <T>(_: unknown, options: ListOptions = {}) => {
      lists.push(options);
      const failure = failures.shift();
      return failure === undefined ? Promise.resolve(list() as KubeList<never> & T) : Promise.reject(failure);
    },
    watch: <T>(_: unknown, options: WatchOptions) => {
      const connection = connect(options);
      watches.push(connection);
      return Promise.resolve(connection as unknown as AsyncIterable<WatchEvent<T>>);
    },
  };
  return { client: client as KubeClient, lists, watches };
}

function connect(options: WatchOptions): Connection & AsyncIterable<WatchEvent<KubeObject>> {
  const queue: (WatchEvent<KubeObject> | "end")[] = [];
  let wake = (): void => {};
  const push = (item: WatchEvent<KubeObject> | "end"): void => {
    queue.push(item);
    wake();
  };
  options.signal?.addEventListener("abort", () => wake());
  return {
    options,
    send: push,
    end: () => push("end"),
    async *[Symbol.asyncIterator]() {
      for (;;) {
        if (options.signal?.aborted === true) throw new KubeError("watch", 0, { reason: "Aborted" });
        const item = queue.shift();
        if (item === "end") return;
        if (item !== undefined) yield item;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}

describe("the reflector", () => {
  const abort = { current: new AbortController() };
  afterEach(() => abort.current.abort());

  const empty = (): KubeList<KubeObject> => ({ items: [], resourceVersion: "10" });

  function start({ list = empty, failures = [] }: { list?: typeof empty; failures?: Error[] } = {}) {
    abort.current = new AbortController();
    const timers = manualTimers({ start: 1_000_000, random: () => 0 });
    const server = scriptedServer(list, failures);
    const meter = recordingMeter();
    const seen: string[] = [];
    const tries: number[] = [];
    const ended = runReflector<KubeObject>(
      {
        client: server.client,
        resource: pods,
        timers,
        meter,
        onTry: () => tries.push(timers.now() - 1_000_000),
        sink: {
          replace: (all, reason) => seen.push(`${reason}: ${all.items.map((item) => item.metadata.name).join()}`),
          apply: (type, object) => seen.push(`${type}: ${object.metadata.name}`),
          progress: () => {},
        },
      },
      abort.current.signal,
    );
    return { timers, server, meter, seen, tries, ended };
  }

  it("watches from the version of its list, for 300 to 600 seconds", async () => {
    const { timers, server } = start();
    await timers.advance(0);
    expect(server.watches[0]?.options).toMatchObject({ resourceVersion: "10", timeoutSeconds: 300 });
  });

  it("resumes from the last version seen, a bookmark's too, without a new list", async () => {
    const { timers, server, seen } = start();
    await timers.advance(0);
    server.watches[0]?.send({ type: "ADDED", object: pod("a", "12") });
    server.watches[0]?.send({ type: "BOOKMARK", object: { metadata: { resourceVersion: "40" } } });
    await timers.advance(5_000);
    server.watches[0]?.end();
    await timers.advance(0);
    expect(server.watches[1]?.options.resourceVersion).toBe("40");
    expect(server.lists).toHaveLength(1);
    expect(seen).toEqual(["initial: ", "ADDED: a"]);
  });

  it("moves at least every 150 s, however silent the server is", async () => {
    const { timers, tries } = start();
    await timers.advance(450_000);
    expect(tries).toEqual([0, 150_000, 300_000, 450_000]);
  });

  it("gives up a silent connection after 150 s, and opens another", async () => {
    const { timers, server } = start();
    await timers.advance(100_000);
    server.watches[0]?.send({ type: "BOOKMARK", object: { metadata: { resourceVersion: "11" } } });
    await timers.advance(149_999);
    expect(server.watches).toHaveLength(1);
    await timers.advance(1);
    expect(server.watches[0]?.options.signal?.aborted).toBe(true);
    expect(server.watches).toHaveLength(2);
    expect(server.watches[1]?.options.resourceVersion).toBe("11");
  });

  it("waits longer after each failure in a row", async () => {
    const { timers, server } = start({ failures: Array.from({ length: 8 }, () => new KubeError("list", 503, {})) });
    const at: number[] = [timers.now()];
    while (at.length < 8) {
      await timers.advance(100);
      if (server.lists.length > at.length) at.push(timers.now());
    }
    expect(at.slice(1).map((time, i) => time - (at[i] ?? 0))).toEqual([
      800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000,
    ]);
  });

  it("does not ask a server in a tight loop that ends every watch at once", async () => {
    const { timers, server } = start();
    for (let i = 0; i < 100; i++) {
      await timers.advance(100);
      server.watches.at(-1)?.end();
    }
    expect(server.watches.length).toBeLessThan(10);
  });

  it("lists everything in one answer when a page's token expired", async () => {
    const { timers, server, seen } = start({ failures: [new KubeError("list", 410, { reason: "Expired" })] });
    await timers.advance(0);
    expect(server.lists.map((options) => options.limit)).toEqual([undefined, 0]);
    expect(seen).toEqual(["initial: "]);
  });

  it("believes older lists only after two minutes of nothing else: then etcd was restored", async () => {
    let version = "500";
    const { timers, server, seen } = start({
      list: () => ({ items: [pod(`at-${version}`, "7")], resourceVersion: version }),
    });
    await timers.advance(0);
    version = "90";
    server.watches[0]?.end();
    await timers.advance(660_000);
    expect(seen).toEqual(["initial: at-500"]);
    await timers.advance(150_000);
    expect(seen.slice(0, 2)).toEqual(["initial: at-500", "resync: at-90"]);
    expect(server.watches.at(-1)?.options.resourceVersion).toBe("90");
  });

  it("ends only on its signal", async () => {
    const { timers, ended, meter } = start({ failures: [new Error("a bug in a transport")] });
    await timers.advance(3_600_000);
    expect(meter.value("kube_watch_restarts_total", { resource: "pods", reason: "Unknown" })).toBe(1);
    abort.current.abort();
    await timers.advance(0);
    await ended;
  });
});
