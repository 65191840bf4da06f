import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kubeBinary, runKubectl } from "../servers/kubernetes.ts";

const root = join(import.meta.dirname, "../..");
const call = promisify(execFile);

interface Said {
  code: number;
  out: string;
  err: string;
}

let folder: string;

async function weir(...args: string[]): Promise<Said> {
  try {
    const { stdout, stderr } = await call(process.execPath, [join(root, "src/main/cli.ts"), ...args], { cwd: folder });
    return { code: 0, out: stdout, err: stderr };
  } catch (e) {
    const { code, stdout, stderr } = e as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, err: stderr };
  }
}

const kubectl = async (...args: string[]) =>
  runKubectl({ kube: await kubeBinary(), kubeconfigPath: join(folder, ".weir/local/kubeconfig"), dir: folder }, args);
const sample = (file: string): string => join(root, "config/samples/quickstart", file);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-local-"));
});
afterAll(async () => {
  await weir("local", "down");
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

describe("weir local", () => {
  it("says that nothing runs, with exit code 1", async () => {
    expect(await weir("local", "status")).toMatchObject({
      code: 1,
      out: expect.stringContaining("no embedded cluster"),
    });
  });

  it("comes up in the background with a kubeconfig that kubectl takes, and stays the same when asked again", async () => {
    const began = performance.now();
    const up = await weir("local", "up");
    console.log(`weir local up: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    expect(up).toMatchObject({ code: 0, err: "" });
    const again = await weir("local", "up");
    expect(again.out).toBe(up.out);
    expect(await weir("local", "status")).toMatchObject({ code: 0 });
    expect((await kubectl("get", "nodes", "-o", "name")).stdout).toBe("node/weir-local\n");
  });

  it("runs a job that kubectl applies, shows its log and explains it", async () => {
    expect(await kubectl("apply", "-f", sample("job.yaml"), "-f", sample("policy.yaml"))).toMatchObject({ code: 0 });
    const waited = await kubectl("wait", "--for=condition=Ready", "sj/realtime-etl", "--timeout=120s");
    expect(waited.stdout).toContain("condition met");
    // Its policy scales it in the meantime: workers come and go, and the next ones may not have said anything yet.
    const log = async () => (await kubectl("logs", "-l", "weir.dev/job=realtime-etl", "--tail=-1")).stdout;
    await expect.poll(log, { timeout: 60_000, interval: 500 }).toContain("listening");
    const why = () => weir("why", "realtime-etl");
    await expect.poll(why, { timeout: 60_000, interval: 500 }).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^realtime-etl: (RUNNING|SCALING), parallelism.*keep-up\/scale-on-lag/s) as string,
    });
  });

  it("names a job that does not exist", async () => {
    expect(await weir("why", "nope")).toMatchObject({
      code: 1,
      err: 'there is no StreamingJob "nope" in namespace "default"\n',
    });
  });

  it("goes down with its workers, and keeps their volumes", async () => {
    expect(await weir("local", "down")).toMatchObject({ code: 0, out: "embedded cluster is down\n" });
    expect(await weir("local", "status")).toMatchObject({ code: 1 });
    const { stdout } = await call("ls", [join(folder, ".weir/local/claims/default")]);
    expect(stdout).toBe("weir-state\n");
    expect(await weir("local", "down")).toMatchObject({ code: 0, out: "no embedded cluster is running here\n" });
  });
});

describe("weir explain", () => {
  it("shows the three graphs of a job", async () => {
    const { code, out } = await weir("explain", sample("job.yaml"));
    expect(code).toBe(0);
    expect(out).toContain("Physical plan");
    expect(out).toContain("key is declared");
  });
});
