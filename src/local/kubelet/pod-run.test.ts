import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AddressPool, openAddressPool } from "./addresses.ts";
import { startProcess } from "./container-process.ts";
import type { ObjectReader } from "./object-reader.ts";
import type { Container, Pod, PodStatus } from "./pod.ts";
import { type PodRun, type PodRunDependencies, runPod } from "./pod-run.ts";

const nothing: ObjectReader = { configMap: () => Promise.resolve(undefined), secret: () => Promise.resolve(undefined) };

interface Stage {
  run: PodRun;
  /** Resolves with the first status that passes the test. */
  until(test: (status: PodStatus) => boolean): Promise<PodStatus>;
  events: { reason: string; message: string }[];
}

let dataDir: string;
let addresses: AddressPool;
const stages: Stage[] = [];

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weir-kubelet-"));
  addresses = await openAddressPool();
});

afterEach(async () => {
  await Promise.all(stages.splice(0).map((s) => s.run.stop(0)));
  await rm(dataDir, { recursive: true, force: true });
});

const script = (source: string, more: Partial<Container> = {}): Container => ({
  name: "main",
  image: "script",
  args: [source],
  ...more,
});

async function stage(
  container: Container,
  spec: Partial<Pod["spec"]> = {},
  deps: Partial<PodRunDependencies> = {},
): Promise<Stage> {
  const pod: Pod = {
    metadata: { name: "p", namespace: "default", uid: `uid-${stages.length}-${process.pid}` },
    spec: { restartPolicy: "OnFailure", containers: [container], ...spec },
  };
  const seen: PodStatus[] = [];
  const waiting = new Set<() => void>();
  const events: Stage["events"] = [];
  const run = await runPod(pod, {
    dataDir,
    addresses,
    images: {
      commandFor: ({ image, args }) => (image === "script" ? [process.execPath, "-e", ...(args ?? [])] : undefined),
    },
    reader: nothing,
    backoff: { initialMs: 20, maxMs: 100 },
    launch: startProcess,
    report: (_, status) => {
      seen.push(status);
      for (const look of waiting) look();
    },
    event: (_, { reason, message }) => events.push({ reason, message }),
    ...deps,
  });
  const until: Stage["until"] = (test) =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = seen.find(test);
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  const made = { run, until, events };
  stages.push(made);
  return made;
}

const first = (status: PodStatus) => status.containerStatuses?.[0];

describe("a pod as a process", () => {
  it("is Succeeded with reason Completed when its process exits 0", async () => {
    const { until } = await stage(script("process.exit(0)"));
    const status = await until((s) => s.phase === "Succeeded");
    expect(first(status)?.state.terminated).toMatchObject({ exitCode: 0, reason: "Completed" });
  });

  it("restarts a failing process and counts it, then waits in CrashLoopBackOff", async () => {
    const { until, events } = await stage(script("process.exit(3)"));
    const waiting = await until((s) => first(s)?.state.waiting?.reason === "CrashLoopBackOff");
    expect(first(waiting)?.lastState.terminated).toMatchObject({ exitCode: 3, reason: "Error" });
    const later = await until((s) => (first(s)?.restartCount ?? 0) >= 3);
    expect(later.phase).toBe("Running");
    expect(events.map((e) => e.reason)).toContain("BackOff");
  });

  it("starts no process any more when it is stopped while its container is prepared", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<undefined>();
    const reader: ObjectReader = {
      ...nothing,
      secret: () => {
        asked.resolve();
        return answer.promise;
      },
    };
    const env = [{ name: "A", valueFrom: { secretKeyRef: { name: "s", key: "k", optional: true } } }];
    const { run, events } = await stage(script("setInterval(() => {}, 1000)", { env }), {}, { reader });
    await asked.promise;
    const stopped = run.stop(30);
    answer.resolve(undefined);
    await stopped;
    expect(events.map((e) => e.reason)).not.toContain("Started");
  });

  it("shares the compiled code of its modules with the next one", async () => {
    const { until } = await stage(script('import("node:fs").then(() => console.log(process.env.NODE_COMPILE_CACHE))'));
    await until((s) => s.phase === "Succeeded");
    expect((await readdir(join(dataDir, "compile-cache"))).length).toBeGreaterThan(0);
  });

  it("shows the termination message that the process wrote", async () => {
    const source =
      'require("fs").writeFileSync(process.env.WEIR_POD_ROOT + "/dev/termination-log", "why"); process.exit(1)';
    const { until } = await stage(script(source), { restartPolicy: "Never" });
    const status = await until((s) => s.phase === "Failed");
    expect(first(status)?.state.terminated?.message).toBe("why");
  });

  it("reports a kill as exit code 137 and restarts", async () => {
    const { until } = await stage(script("setInterval(() => {}, 1000)"));
    const running = await until((s) => first(s)?.state.running !== undefined);
    process.kill(Number(first(running)?.containerID?.replace("process://", "")), "SIGKILL");
    const after = await until((s) => first(s)?.restartCount === 1);
    expect(first(after)?.lastState.terminated).toMatchObject({ exitCode: 137, signal: 9 });
  });

  it("restarts from what it was set up with while the API server is gone", async () => {
    let reads = 0;
    const reader: ObjectReader = {
      ...nothing,
      configMap: () => (reads++ === 0 ? Promise.resolve({ a: Buffer.from("1") }) : Promise.reject(new Error("gone"))),
    };
    const env = [{ name: "A", valueFrom: { configMapKeyRef: { name: "c", key: "a" } } }];
    const { until } = await stage(script("process.exit(process.env.A === '1' ? 3 : 4)", { env }), {}, { reader });
    const again = await until((s) => (first(s)?.restartCount ?? 0) >= 1 && first(s)?.state.terminated !== undefined);
    expect(first(again)?.state.terminated?.exitCode).toBe(3);
    expect(reads).toBeGreaterThan(1);
  });

  it("kills a process over its memory limit with reason OOMKilled", async () => {
    const eat = "const all = []; setInterval(() => all.push(Buffer.alloc(16 << 20, 1)), 20)";
    const { until } = await stage(script(eat, { resources: { limits: { memory: "128Mi" } } }), {
      restartPolicy: "Never",
    });
    const status = await until((s) => s.phase === "Failed");
    expect(first(status)?.state.terminated).toMatchObject({ exitCode: 137, reason: "OOMKilled" });
  });

  it("is ready only once the readiness probe passes", async () => {
    const serve =
      'require("http").createServer((_, r) => r.end()).listen(process.env.WEIR_PORT ?? 8080, process.env.IP)';
    const { until } = await stage(
      script(serve, {
        env: [{ name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }],
        readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 0.05 },
      }),
    );
    const before = await until((s) => first(s)?.state.running !== undefined);
    expect(first(before)?.ready).toBe(false);
    const after = await until((s) => first(s)?.ready === true);
    expect(after.conditions?.find((c) => c.type === "Ready")?.status).toBe("True");
  });

  it("says that an unknown image cannot be pulled", async () => {
    const { until, events } = await stage({ name: "main", image: "nginx:1" });
    const status = await until((s) => first(s)?.state.waiting?.reason === "ImagePullBackOff");
    expect(status.phase).toBe("Pending");
    expect(first(status)?.state.waiting?.message).toContain("nginx:1");
    expect(events[0]?.reason).toBe("Failed");
  });

  it("waits for a missing Secret with the volume's name, and starts when it appears", async () => {
    const stored = new Map<string, Record<string, Buffer>>();
    const reader: ObjectReader = { ...nothing, secret: (_, name) => Promise.resolve(stored.get(name)) };
    const print = 'console.log(require("fs").readFileSync(process.env.WEIR_POD_ROOT + "/etc/s/password", "utf8"))';
    const { until, events, run } = await stage(
      script(print, { volumeMounts: [{ name: "s", mountPath: "/etc/s" }] }),
      { volumes: [{ name: "s", secret: { secretName: "db" } }] },
      { reader },
    );
    await until((s) => first(s)?.state.waiting?.message?.includes('secret "db" not found') ?? false);
    expect(events).toContainEqual(expect.objectContaining({ reason: "FailedMount" }));
    stored.set("db", { password: Buffer.from("hunter2") });
    await until((s) => s.phase === "Succeeded");
    expect(await readFile(run.logFile(undefined, false) ?? "", "utf8")).toBe("hunter2\n");
  });

  it("keeps a claim's files after the pod is gone", async () => {
    const write = 'require("fs").writeFileSync(process.env.WEIR_POD_ROOT + "/data/kept", "1")';
    const spec = { volumes: [{ name: "d", persistentVolumeClaim: { claimName: "c" } }] };
    const { until, run } = await stage(script(write, { volumeMounts: [{ name: "d", mountPath: "/data" }] }), spec);
    await until((s) => s.phase === "Succeeded");
    await run.dispose();
    expect(await readFile(join(dataDir, "claims/default/c/kept"), "utf8")).toBe("1");
  });

  it("ends a process that ignores SIGTERM when the grace is over", async () => {
    const stubborn = 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); console.log("up")';
    const { until, run } = await stage(script(stubborn));
    await until((s) => first(s)?.state.running !== undefined);
    await run.stop(0.2);
    await until((s) => first(s)?.state.terminated !== undefined);
  });

  it("ends what an earlier kubelet left running", async () => {
    const { until, run } = await stage(script("setInterval(() => {}, 1000)"));
    await until((s) => first(s)?.state.running !== undefined);
    await runPod(run.pod, {
      dataDir,
      addresses,
      images: { commandFor: () => [process.execPath, "-e", ""] },
      reader: nothing,
      backoff: { initialMs: 20, maxMs: 100 },
      launch: startProcess,
      report: () => {},
      event: () => {},
    }).then((second) => second.stop(0));
    await until((s) => first(s)?.lastState.terminated?.exitCode === 137);
  });
});
