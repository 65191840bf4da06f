/** Kafka's own Java code as a second opinion on what lies in a topic: see scripts/servers/kafka/Records.java. */
import { execFile, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { KafkaRecord } from "./kafka.ts";

const folder = join(import.meta.dirname, "../../scripts/servers/kafka");

export interface JavaRecord {
  /** Codec of the batch it lies in: none, gzip, snappy, lz4, zstd. */
  readonly codec: string;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
}

/** A record whose headers may be several of one name. */
export interface JavaInput extends KafkaRecord {
  readonly headerList?: readonly (readonly [name: string, value: string])[];
}

/** Writes the records once with each codec, by the Java producer. */
export async function javaProduce(
  broker: string,
  topic: string,
  codecs: readonly string[],
  records: readonly JavaInput[],
): Promise<void> {
  await java(["produce", broker, topic, ...codecs], records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}

/** The records of a topic, in the order of their partitions, read from the log files of its broker. */
export async function javaDump(dataDir: string, topic: string): Promise<JavaRecord[]> {
  const files = readdirSync(dataDir)
    .filter((name) => name.slice(0, name.lastIndexOf("-")) === topic)
    .toSorted((a, b) => Number(a.slice(topic.length + 1)) - Number(b.slice(topic.length + 1)))
    .flatMap((name) => readdirSync(join(dataDir, name)).map((file) => join(dataDir, name, file)))
    .filter((file) => file.endsWith(".log"));
  const lines = (await java(["dump", ...files], "")).trim().split("\n");
  return lines.map((line) => JSON.parse(line) as JavaRecord);
}

/** Gives all partitions of a topic to one broker, and waits until it has them. */
export async function javaMove(bootstrap: string, topic: string, broker: number): Promise<void> {
  await java(["move", bootstrap, topic, `${broker}`], "");
}

/** Of values {"key", "n"} that number each key's records from 1: what a consumer with read_committed makes of a topic. */
export interface Sequences {
  readonly records: number;
  readonly keys: number;
  /** Numbers that are missing below the highest of their key. */
  readonly lost: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
}

/** `header`: that each record must have, with its number. */
export async function javaSequences(broker: string, topic: string, header?: string): Promise<Sequences> {
  const args = ["sequences", broker, topic, ...(header === undefined ? [] : [header])];
  return JSON.parse(await java(args, "")) as Sequences;
}

async function java(args: readonly string[], input: string): Promise<string> {
  const { stdout } = await promisify(execFile)("bash", [join(folder, "build.sh")]);
  const home = stdout.trim().split("\n").at(-1) ?? "";
  const flags = ["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", `${home}/libs/*`];
  const log = `-Dlog4j2.configurationFile=${join(folder, "log4j2.stderr.properties")}`;
  const child = spawn("java", [...flags, log, join(folder, "Records.java"), ...args]);
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  child.stdin.end(input);
  const code = await new Promise((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) throw new Error(`Records.java ${args[0]} ended with ${String(code)}:\n${err}`);
  return out;
}
