import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFlinkCluster } from "../peers/flink-cluster.ts";
import { compareNexmark } from "./nexmark.ts";
import { comparePipelines } from "./pipelines.ts";
import { tell } from "./told.ts";

/** `node bench/beside-flink/run.ts [NAME…]`: results of Weir beside Flink's, row by row. */
const EVENTS = Number(process.env["EVENTS"] ?? 50_000);
const only = process.argv.slice(2);

const folder = mkdtempSync(join(tmpdir(), "weir-beside-flink-"));
console.log("starting Flink");
const cluster = await startFlinkCluster();
let different = 0;
try {
  console.log(`${new Date().toISOString().slice(0, 10)}, Flink ${cluster.version}; Nexmark with ${EVENTS} events`);
  for await (const told of comparePipelines(cluster.gateway, { folder, only })) different += tell(told);
  for await (const told of compareNexmark(cluster.gateway, { folder, events: EVENTS, only })) different += tell(told);
  console.log(different === 0 ? "all as documented" : `${different} not as documented`);
} finally {
  await cluster.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = different === 0 ? 0 : 1;
