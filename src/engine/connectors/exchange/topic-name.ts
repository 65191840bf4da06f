import { createHash } from "node:crypto";

/** Of Kafka's 249 characters; "weir.", ".g" and the generation are the rest. */
const LONGEST = { job: 130, node: 90 };
const HASH = 12;

export interface ExchangePlace {
  /** "<namespace>.<job>". */
  readonly job: string;
  /** The node that reads it; with two inputs, and which one. */
  readonly node: string;
  readonly generation: number;
}

/** Name of the topic between the slots of a job before one of its nodes. */
export function exchangeTopic({ job, node, generation }: ExchangePlace): string {
  return `${jobPrefix(job)}${legal(node.replaceAll(".", "~"), LONGEST.node)}.g${generation}`;
}

/** The generation of a topic of the job's; `undefined` for every other topic. */
export function generationOf(topic: string, job: string): number | undefined {
  const prefix = jobPrefix(job);
  if (!topic.startsWith(prefix)) return undefined;
  const found = /^[^.]+\.g(\d+)$/.exec(topic.slice(prefix.length));
  return found === null ? undefined : Number(found[1]);
}

const jobPrefix = (job: string): string => `weir.${legal(job, LONGEST.job)}.`;

/** What Kafka does not take, or is too long, is told apart by a hash. */
function legal(name: string, longest: number): string {
  const plain = name.replaceAll(/[^a-zA-Z0-9._-]/g, "-");
  if (plain === name && name.length <= longest) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH);
  return `${plain.slice(0, longest - HASH - 1)}-${hash}`;
}
