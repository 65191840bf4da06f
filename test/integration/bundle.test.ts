import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { countingPlan } from "../builders/counting-program.ts";
import { startDocumentOf, startWorkerProcess } from "../builders/worker-process.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weir-bundle-"));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));

it("has a worker that answers a scrape from its first moment, with what it loads only then", async () => {
  const bundle = join(import.meta.dirname, "../../scripts/bundle.ts");
  await promisify(execFile)(process.execPath, [bundle, join(folder, "app")]);
  const worker = await startWorkerProcess({
    root: join(folder, "pod"),
    plan: countingPlan({ datagen: { splits: 2, rate: 1000 }, sink: { connector: "blackhole", config: {} } }),
    start: startDocumentOf(),
    main: join(folder, "app/worker.mjs"),
  });
  try {
    const { status, body } = await worker.call("GET", "/metrics");
    expect(status).toBe(200);
    expect(body).toMatch(/^weir_worker_records_in_total\{/m);
    expect(body).toMatch(/^weir_worker_busy_ratio\{/m);
  } finally {
    worker.kill("SIGKILL");
    await worker.exited;
  }
});
