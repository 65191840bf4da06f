import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";

/** How a broker's process is had and ended. */
export const kafkaFolder = join(import.meta.dirname, "../../scripts/servers/kafka");

export interface Broker {
  readonly pid: number;
  /** A number of a process that has ended may belong to somebody else's. */
  readonly running: () => boolean;
  readonly exited: Promise<void>;
}

/**
 * The shell between us and the JVM holds a pipe from this process: when that closes, however this process ended, it
 * kills the JVM. The JVM is small and compiles quickly only: a broker of a test lives for seconds.
 */
const supervise = `exec 3<&0 2>/dev/null
java -Xms256m -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp "$1/libs/*" \
  "-Dlog4j2.configurationFile=$2/log4j2.properties" kafka.Kafka "$3/server.properties" 2>&1 3<&- </dev/null & java=$!
echo "pid $java"
(cat <&3 >/dev/null; kill -9 $java; rm -rf "$3") & watcher=$!
wait $java
kill $watcher`;

export async function launch(home: string, dir: string): Promise<Broker> {
  const child = spawn("bash", ["-c", supervise, "kafka", home, kafkaFolder, dir], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  child.stdin.on("error", () => undefined);
  const exited = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  return { pid: await started(child), running: () => child.exitCode === null && child.signalCode === null, exited };
}

function started(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let log = "";
    let up = false;
    child.stdout?.setEncoding("utf8");
    child.stdout?.on("data", (text: string) => {
      if (up) return;
      log += text;
      if (!log.includes("Kafka Server started")) return;
      up = true;
      resolve(Number(/^pid (\d+)/m.exec(log)?.[1]));
      log = "";
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the Kafka broker ended with ${code} before it was ready:\n${log}`)));
  });
}

export async function end(broker: Broker, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (broker.running()) process.kill(broker.pid, signal);
  await broker.exited;
}
