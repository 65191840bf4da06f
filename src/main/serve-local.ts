import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pino } from "pino";
import { startLocalCluster } from "./local-cluster.ts";

/** The process behind `weir local up`: DATA_DIR PORT. Runs until SIGTERM. */
const [dataDir = ".weir/local", port = "0"] = process.argv.slice(2);
const log = pino({ base: null });

const cluster = await startLocalCluster({
  dataDir,
  port: Number(port),
  log: (level, message, error, fields) =>
    log[level]({ ...fields, ...(error === undefined ? {} : { err: error }) }, message),
});
await writeFile(join(dataDir, "ready"), cluster.url);
log.info({ url: cluster.url, kubeconfig: cluster.kubeconfigPath }, "the embedded cluster is up");

const end = async (): Promise<void> => {
  await rm(join(dataDir, "ready"), { force: true });
  await cluster.stop();
  process.exit(0);
};
process.once("SIGTERM", () => void end());
process.once("SIGINT", () => void end());
