import { parseDuration, waitProblem } from "./duration.ts";
import type { Pipeline, PipelineNode } from "./pipeline.schema.ts";
import type { Problem } from "./problem.ts";
import { parseQuantity } from "./quantity.ts";
import type { StreamingJobSpec } from "./streaming-job.schema.ts";

type Found = readonly [field: string, message: string];

/** An upload of S3 has 10,000 parts at most, and Weir's parts have 8 MiB. */
const LARGEST_OBJECT = "78Gi";
/** A key of S3 has 1,024 bytes at most; the longest name of an object has 129. */
const LONGEST_PREFIX = 890;

const PLACEHOLDER = /\{[A-Za-z0-9_]+\}/g;

/** What the schema cannot say of the systems outside: of URLs that are asked, and of how output is cut. */
export function outsideProblems({ nodes, connections = [] }: Pipeline): Problem[] {
  const wrong = (at: string, found: readonly Found[]): Problem[] =>
    found.map(([field, message]) => ({ code: "PIPELINE_INVALID", path: `spec.pipeline.${at}.${field}`, message }));
  return [
    ...connections.flatMap(({ name, http, s3 }) =>
      wrong(`connections[${name}]`, [...base("http.url", http?.url), ...base("s3.endpoint", s3?.endpoint)]),
    ),
    ...nodes.flatMap((node) => wrong(`nodes[${node.name}].sink`, [...parts(node), ...batching(node)])),
  ];
}

/** Of checkpoints in a bucket. */
export function storageProblems({ checkpoint }: StreamingJobSpec): Problem[] {
  return base("spec.checkpoint.storage.endpoint", checkpoint?.storage?.endpoint).map(([path, message]) => ({
    code: "SPEC_INVALID",
    path,
    message,
  }));
}

/** Paths are put behind it. */
function base(field: string, url: string | undefined): Found[] {
  if (url === undefined) return [];
  if (!/^https?:\/\//.test(url)) return [[field, `"${shown(url)}" must begin with http:// or https://`]];
  const extra = /[?#]/.exec(url)?.[0];
  if (extra !== undefined) return [[field, `must not have a "${extra}": what is asked for is put behind it`]];
  return URL.canParse(url.replaceAll(PLACEHOLDER, "1")) ? [] : [[field, `"${shown(url)}" is no URL`]];
}

function parts({ sink }: PipelineNode): Found[] {
  const [kind, to] = sink?.s3 === undefined ? (["file", sink?.file] as const) : (["s3", sink.s3] as const);
  if (to === undefined) return [];
  const { rollSize, rollInterval } = to;
  const found: Found[] = [];
  if (rollSize !== undefined && parseQuantity(rollSize) < 1) found.push([`${kind}.rollSize`, "must be at least 1"]);
  const wait = rollInterval === undefined ? undefined : waitProblem(rollInterval);
  if (wait !== undefined) found.push([`${kind}.rollInterval`, wait]);
  return sink?.s3 === undefined ? found : [...found, ...objects(sink.s3)];
}

/** Without a pause, 0, every record is a batch. */
function batching({ sink }: PipelineNode): Found[] {
  const { interval } = sink?.batching ?? {};
  const wait = interval === undefined || parseDuration(interval) === 0 ? undefined : waitProblem(interval);
  return wait === undefined ? [] : [["batching.interval", wait]];
}

function objects({ prefix, rollSize }: NonNullable<NonNullable<PipelineNode["sink"]>["s3"]>): Found[] {
  const found: Found[] = [];
  if (rollSize !== undefined && parseQuantity(rollSize) > parseQuantity(LARGEST_OBJECT))
    found.push(["s3.rollSize", `must not be above ${LARGEST_OBJECT}: an upload has at most 10,000 parts of 8Mi`]);
  const bytes = new TextEncoder().encode(prefix).length;
  if (bytes > LONGEST_PREFIX)
    found.push([
      "s3.prefix",
      `has ${bytes} bytes and must not have more than ${LONGEST_PREFIX}: a key has at most 1,024, with the object's name`,
    ]);
  const odd = prefix.split("/").find((part) => part === "." || part === "..");
  if (odd !== undefined) found.push(["s3.prefix", `"${odd}" cannot be a part of a key`]);
  return found;
}

const shown = (text: string): string => text.slice(0, 60);
