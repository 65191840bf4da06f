/**
 * Records the calls that a command makes to a real kube-apiserver:
 *   node scripts/record-calls.ts kubectl bash test/fixtures/recorded-calls/kubectl.sh
 * writes test/fixtures/recorded-calls/kubectl.ndjson. The command finds the server in KUBECONFIG and kubectl in KUBECTL.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kubeconfig } from "../src/local/api-server/kubeconfig.ts";
import { applyCrds, kubeBinary, startControlPlane } from "../test/servers/kubernetes.ts";
import type { RecordedCall } from "../test/servers/recording-proxy.ts";
import { startRecorder } from "../test/servers/recording-proxy.ts";

const [name, command, ...args] = process.argv.slice(2);
if (name === undefined || command === undefined) {
  console.error("usage: node scripts/record-calls.ts NAME COMMAND [ARGUMENTS]");
  process.exit(2);
}

const plane = await startControlPlane({ controllers: true });
const folder = mkdtempSync(join(tmpdir(), "weir-record-"));
try {
  await applyCrds(plane);
  const calls: RecordedCall[] = [];
  const recorder = await startRecorder(plane, (call, number) => {
    calls[number] = call;
  });
  const configFile = join(folder, "kubeconfig");
  writeFileSync(configFile, kubeconfig(recorder.url));
  const kubectl = `${await kubeBinary()} kubectl --cache-dir ${join(folder, "cache")}`;
  const child = spawn(command, args, {
    stdio: "inherit",
    env: { ...process.env, KUBECONFIG: configFile, KUBECTL: kubectl },
  });
  await once(child, "exit");
  await recorder.stop();
  const file = join(import.meta.dirname, `../test/fixtures/recorded-calls/${name}.ndjson`);
  const lines = calls.filter((call) => call !== undefined).map((call) => `${JSON.stringify(call)}\n`);
  writeFileSync(file, lines.join(""));
  console.log(`${lines.length} calls written to ${file}`);
} finally {
  await plane.stop();
  rmSync(folder, { recursive: true, force: true });
}
