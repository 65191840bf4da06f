import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./free-ports.ts";
import { end, kafkaFolder, launch } from "./kafka-process.ts";

export interface SecondBroker {
  /** Of partitions that it leads. */
  readonly id: number;
  kill(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A broker that is no controller needs the cluster's id and an own one, and finds out the rest. */
export async function startSecondBroker(home: string, voters: string): Promise<SecondBroker> {
  const dir = mkdtempSync(join(tmpdir(), "weir-kafka-"));
  const [port] = await freePorts(1);
  const formatted = readFileSync(join(home, "formatted/meta.properties"), "utf8");
  mkdirSync(join(dir, "data"));
  writeFileSync(
    join(dir, "data/meta.properties"),
    formatted
      .replace("node.id=1", "node.id=2")
      .replace(/directory\.id=.*/, `directory.id=${randomBytes(16).toString("base64url")}`),
  );
  const own = [
    "process.roles=broker",
    "node.id=2",
    `listeners=PLAINTEXT://127.0.0.1:${port}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
    `controller.quorum.voters=${voters}`,
    `log.dirs=${join(dir, "data")}`,
  ];
  const common = readFileSync(join(kafkaFolder, "server.properties"), "utf8");
  writeFileSync(join(dir, "server.properties"), [common, ...own, ""].join("\n"));
  let broker = await launch(home, dir);
  return {
    id: 2,
    kill: () => end(broker, "SIGKILL"),
    restart: async () => {
      broker = await launch(home, dir);
    },
    close: async () => {
      await end(broker, "SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
