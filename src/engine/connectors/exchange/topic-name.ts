import { createHash } from "node:crypto";

/** Of Kafka's 249 characters; "weir.", ".g", the generation, "-" and the owner are the rest. */
const LONGEST = { job: 130, node: 80 };
const HASH = 12;

export interface ExchangePlace {
  /** "<namespace>.<job>". */
  readonly job: string;
  /** The node that reads it; with two inputs, and which one. */
  readonly node: string;
  readonly generation: number;
  /** Tells jobs of one name apart, of several Kubernetes clusters or of several times. */
  readonly owner?: string | undefined;
}

/** Name of the topic between the slots of a job before one of its nodes. */
export function exchangeTopic({ job, node, generation, owner }: ExchangePlace): string {
  const of = owner === undefined ? "" : `-${owner}`;
  return `${jobPrefix(job)}${legal(node.replaceAll(".", "~"), LONGEST.node)}.g${generation}${of}`;
}

/** The generation and the owner of a topic of the job's, or of another one of its name; `undefined` for every other topic. */
export function generationOf(topic: string, job: string): Pick<ExchangePlace, "generation" | "owner"> | undefined {
  const prefix = jobPrefix(job);
  if (!topic.startsWith(prefix)) return undefined;
  const found = /^[^.]+\.g(\d+)(?:-([0-9a-z]+))?$/.exec(topic.slice(prefix.length));
  return found === null ? undefined : { generation: Number(found[1]), owner: found[2] };
}

/** A regular expression, as Kafka's tools take it, of all topics between the workers of a job. */
export function topicPattern(job: string, owner: string): string {
  return `${jobPrefix(job).replaceAll(".", "\\.")}[^.]+\\.g[0-9]+-${owner}`;
}

const jobPrefix = (job: string): string => `weir.${legal(job, LONGEST.job)}.`;

/** What Kafka does not take, or is too long, is told apart by a hash. */
function legal(name: string, longest: number): string {
  const plain = name.replaceAll(/[^a-zA-Z0-9._-]/g, "-");
  if (plain === name && name.length <= longest) return name;
  const hash = createHash("sha256").update(name).digest("hex").slice(0, HASH);
  return `${plain.slice(0, longest - HASH - 1)}-${hash}`;
}
