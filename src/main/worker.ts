import { pino } from "pino";
import { workerEnvironment } from "../api/worker-protocol.ts";
import { systemClock } from "../clock.ts";
import { builtInConnectors } from "../engine/connectors/registry.ts";
import { compile } from "../engine/codegen/compile.ts";
import { messageOf } from "../errors.ts";
import { podFiles } from "../worker/pod-files.ts";
import { uncaughtFailure } from "../worker/uncaught.ts";
import { startWorker } from "../worker/worker.ts";

/** The worker process: one slot of one job. Logs go to stderr, because stdout belongs to the stdout sink. */
const environment = workerEnvironment.safeParse(process.env);
if (!environment.success) {
  const issue = environment.error.issues[0];
  process.stderr.write(`${issue?.path.join(".") ?? "environment"}: ${issue?.message ?? "not valid"}\n`);
  process.exit(2);
}
const log = pino({ level: environment.data.WEIR_LOG_LEVEL, base: null }, pino.destination({ fd: 2, sync: true }));

process.on("uncaughtException", (e) => {
  const failure = uncaughtFailure(e);
  log.error({ code: failure.code, err: e }, failure.message);
  podFiles(environment.data).sayWhy(failure);
  process.exit(1);
});

try {
  const worker = await startWorker({
    environment: environment.data,
    clock: systemClock,
    log,
    build: compile,
    connectors: builtInConnectors,
  });
  process.on("SIGTERM", () => worker.terminate());
  process.on("SIGINT", () => worker.terminate());
  log.info({ address: worker.address.address, port: worker.address.port }, "listening");
  process.exit(await worker.exit);
} catch (e) {
  log.error({ err: e }, messageOf(e));
  process.exit(1);
}
