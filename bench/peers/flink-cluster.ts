import { execFile } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { freePorts } from "../../test/servers/free-ports.ts";
import { startGuarded, type GuardedProcess } from "../../test/servers/guarded-process.ts";
import { getJson } from "./flink-calls.ts";
import { WORK_CORE } from "./peer.ts";

/** Processes of one Flink cluster in session mode: a JobManager, a TaskManager on the work's core, a SQL gateway. */
export interface FlinkCluster {
  readonly version: string;
  /** URLs of the JobManager and of the gateway. */
  readonly jobs: string;
  readonly gateway: string;
  readonly jobManager: GuardedProcess;
  readonly taskManager: GuardedProcess;
  /** To all its processes. */
  signal(signal: NodeJS.Signals): void;
  close(): Promise<void>;
}

const files = join(import.meta.dirname, "../../scripts/servers/flink");
const JOB_MANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint";
const TASK_MANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner";
const GATEWAY = "org.apache.flink.table.gateway.SqlGateway";
const START_LIMIT_MS = 120_000;

const OPENED =
  "java.lang java.net java.io java.nio java.lang.reflect java.text java.time java.util java.util.concurrent " +
  "java.util.concurrent.atomic java.util.concurrent.locks sun.nio.ch";

/** What Flink's own start scripts open to it. */
const opens = [
  "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
  ...["api", "file", "parser", "tree", "util"].map(
    (p) => `--add-exports=jdk.compiler/com.sun.tools.javac.${p}=ALL-UNNAMED`,
  ),
  "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
  ...OPENED.split(" ").map((p) => `--add-opens=java.base/${p}=ALL-UNNAMED`),
];

export async function startFlinkCluster(): Promise<FlinkCluster> {
  const { stdout } = await promisify(execFile)("bash", [join(files, "build.sh")], { maxBuffer: 1 << 24 });
  const home = stdout.trim().split("\n").at(-1) ?? "";
  const folder = mkdtempSync(join(tmpdir(), "weir-flink-"));
  const [rpc, rest, gateway] = (await freePorts(3)) as [number, number, number];
  configure(folder, { rpc, rest, gateway });
  const java = javaOf(home, folder);
  const started: GuardedProcess[] = [];
  const signal = (name: NodeJS.Signals): void => {
    for (const process of started) process.kill(name);
  };
  const close = async (): Promise<void> => {
    await Promise.all(started.map((process) => process.stop()));
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const { flags, settings } = await java.taskManagerSizes();
    const memory = ["-Xms768m", "-Xmx768m"];
    const programs: Readonly<Record<string, JavaProgram>> = {
      jobmanager: { flags: memory, jars: ["lib"], main: JOB_MANAGER, settings: [] },
      taskmanager: { flags, jars: ["lib"], main: TASK_MANAGER, settings },
      gateway: { flags: memory, jars: ["gateway", "lib"], main: GATEWAY },
    };
    for (const [name, program] of Object.entries(programs)) started.push(await java.start(name, program));
    const [jobs, sql] = [`http://127.0.0.1:${rest}`, `http://127.0.0.1:${gateway}`];
    await answers(started, `${jobs}/overview`, (o: { "slots-total": number }) => o["slots-total"] > 0);
    await answers(started, `${sql}/v1/info`, () => true);
    const [jobManager, taskManager] = started as [GuardedProcess, GuardedProcess];
    return { version: basename(home), jobs, gateway: sql, jobManager, taskManager, signal, close };
  } catch (e) {
    await close();
    throw e;
  }
}

function configure(folder: string, ports: { rpc: number; rest: number; gateway: number }): void {
  cpSync(files, folder, { recursive: true });
  const folders = ["checkpoints", "savepoints", "tmp", "upload"].map((name) => join(folder, name));
  for (const path of folders) mkdirSync(path);
  const [checkpoints, savepoints, tmp, upload] = folders;
  const own = {
    "jobmanager.rpc.port": ports.rpc,
    "rest.port": ports.rest,
    "sql-gateway.endpoint.rest.port": ports.gateway,
    "execution.checkpointing.dir": `file://${checkpoints}`,
    "execution.checkpointing.savepoint-dir": `file://${savepoints}`,
    "io.tmp.dirs": tmp,
    "web.upload.dir": upload,
  };
  const lines = Object.entries(own).map(([name, value]) => `${name}: ${value}\n`);
  appendFileSync(join(folder, "config.yaml"), lines.join(""));
}

interface JavaProgram {
  readonly flags: readonly string[];
  /** Folders of Flink's home. */
  readonly jars: readonly string[];
  readonly main: string;
  /** Behind the folder of the configuration; without it there is neither. */
  readonly settings?: readonly string[];
}

function javaOf(home: string, folder: string) {
  const env = { FLINK_CONF_DIR: folder, FLINK_PLUGINS_DIR: join(home, "plugins"), FLINK_LIB_DIR: join(home, "lib") };
  const log = `-Dlog4j.configurationFile=${join(folder, "log4j.properties")}`;
  return {
    /** Flink's own division of the TaskManager's memory: flags of the JVM, and settings. */
    taskManagerSizes: async () => {
      const sizes = [
        "org.apache.flink.runtime.util.bash.BashJavaUtils",
        "GET_TM_RESOURCE_PARAMS",
        "--configDir",
        folder,
      ];
      const path = `${home}/bin/bash-java-utils.jar:${home}/lib/*`;
      const { stdout } = await promisify(execFile)("java", ["-cp", path, ...sizes], {
        env: { ...process.env, ...env },
      });
      const [flags, settings] = stdout
        .split("\n")
        .filter((line) => line.startsWith("BASH_JAVA_UTILS_EXEC_RESULT:"))
        .map((line) =>
          line
            .slice(line.indexOf(":") + 1)
            .split(" ")
            .filter(Boolean),
        );
      if (flags === undefined || settings === undefined) throw new Error(`Flink did not say its sizes:\n${stdout}`);
      return { flags, settings };
    },
    start: (name: string, { flags, jars, main, settings }: JavaProgram): Promise<GuardedProcess> => {
      const path = jars.map((jar) => `${home}/${jar}/*`).join(":");
      const config = settings === undefined ? [] : ["--configDir", folder, ...settings];
      const core = main === TASK_MANAGER ? ["taskset", "-c", String(WORK_CORE)] : [];
      const [command = "java", ...args] = [...core, "java", ...flags, log, ...opens, "-cp", path, main, ...config];
      return startGuarded({ command, args, folder, logFile: join(folder, `${name}.log`), env });
    },
  };
}

/** Waits for an answer that fits; says what a process logged that ended meanwhile. */
async function answers<T>(processes: readonly GuardedProcess[], url: string, fits: (t: T) => boolean): Promise<void> {
  for (const end = performance.now() + START_LIMIT_MS; performance.now() < end; await delay(100)) {
    const dead = processes.find((process) => process.hasExited);
    if (dead !== undefined) throw new Error(`a process of Flink ended:\n${dead.logTail()}`);
    const answer = await getJson<T>(url).catch(() => undefined);
    if (answer !== undefined && fits(answer)) return;
  }
  throw new Error(`${url} gave no answer:\n${processes.map((process) => process.logTail()).join("\n")}`);
}
