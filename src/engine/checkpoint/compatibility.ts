import { WeirError } from "../../errors.ts";
import { joinSignature } from "../joins/join-node.ts";
import { oldestReadable } from "../keyed-state/migrations.ts";
import type { KeyTypes, Plan, PlanNode } from "../plan.ts";
import type { KeyedNode } from "../program.ts";
import { byHash, isBySplit, stateSignature } from "../windows/cells.ts";
import type { SlotIdentity } from "./layout.ts";
import type { RestoredState } from "./restore.ts";
import type { KeyedState, Manifest } from "./manifest.ts";

/** What is about to run, as far as saved state must fit it. */
export interface RunningJob {
  readonly identity: SlotIdentity;
  readonly maxParallelism: number;
  readonly keyed: readonly KeyedNode[];
  readonly keyTypes?: KeyTypes | undefined;
  /** `keyedBySplit` where `partitionedBy` makes a split a shard. */
  readonly sources: readonly { readonly node: string; readonly splitCount: number; readonly keyedBySplit: boolean }[];
}

/** What the user allows for this start. */
type Allowed = Pick<RestoredState, "allowNonRestoredState">;

/** The part of a manifest that says what nodes keep, and the part of a job that must fit it. */
interface SavedNodes {
  readonly sources: readonly Pick<Manifest["sources"][number], "node">[];
  readonly keyed: readonly Pick<KeyedState, "node" | "stateSignature" | "stateVersion">[];
}
type Reader = Pick<KeyedNode, "node" | "stateSignature" | "stateVersion" | "migrations" | "unreadable">;
interface ReadingNodes {
  readonly sources: readonly { readonly node: string }[];
  readonly keyed: readonly Reader[];
}

type Check = (manifest: Manifest, job: RunningJob, allowed: Allowed) => string | undefined;

/** In the order in which a user should hear of them. */
const checks: readonly Check[] = [
  otherJob, //        another job's lineage
  otherShards, //     maxParallelism changed: every key would be looked for in another shard
  removedNodes, //    state or positions of a node that is gone
  changedState, //    key, window or aggregates changed, or written by a newer Weir
  otherKeys, //       the key is the same, and its values are of another type by the schemas
  movedKeys, //       a declared source has another number of splits
];

/** Throws RESTORE_REFUSED with the first reason why the saved state does not fit; nothing was touched before. */
export function refuseIncompatible(state: RestoredState, job: RunningJob): void {
  for (const { manifest, uri } of state.parts) {
    const reason = incompatibility(manifest, job, state);
    if (reason !== undefined) throw new WeirError("RESTORE_REFUSED", `cannot restore ${uri}: ${reason}`);
  }
}

/** Why the state of one slot does not fit; the cases are docs/reference/state-compatibility.md. */
export function incompatibility(manifest: Manifest, job: RunningJob, allowed: Allowed): string | undefined {
  for (const check of checks) {
    const reason = check(manifest, job, allowed);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

/**
 * Why the state of a job that runs one plan does not fit another, as far as plans can tell: a job is not stopped for what
 * its workers would refuse. What is only in the state itself, such as versions of functions, is seen at the restore.
 */
export function planIncompatibility(running: Plan, wanted: Plan, allowed: Allowed): string | undefined {
  const [saved, job] = [nodesOf(running), nodesOf(wanted)];
  return removedNodes(saved, job, allowed) ?? changedState(saved, job) ?? otherKeys(running, wanted);
}

function nodesOf({ sources, nodes }: Plan): SavedNodes & ReadingNodes {
  const keyed = nodes.flatMap((node) => {
    const stateSignature = signatureOf(node);
    return stateSignature === undefined ? [] : [{ node: node.name, stateSignature, stateVersion: 0 }];
  });
  return { sources, keyed };
}

function signatureOf(node: PlanNode): string | undefined {
  if (!("keying" in node)) return undefined;
  return node.kind === "join" ? joinSignature(node) : stateSignature(node);
}

function otherJob(manifest: Manifest, { identity }: RunningJob): string | undefined {
  if (manifest.lineage === identity.lineage) return undefined;
  if (manifest.namespace === identity.namespace && manifest.job === identity.job) return undefined;
  return `it belongs to job ${manifest.namespace}/${manifest.job} (lineage ${manifest.lineage}), not to ${identity.namespace}/${identity.job}`;
}

function otherShards(manifest: Manifest, { maxParallelism }: RunningJob): string | undefined {
  if (manifest.maxParallelism === maxParallelism) return undefined;
  return `it was taken with maxParallelism ${manifest.maxParallelism}, the job now has ${maxParallelism}; set it back, the number of shards is fixed by the first checkpoint`;
}

function removedNodes(manifest: SavedNodes, job: ReadingNodes, allowed: Allowed): string | undefined {
  if (allowed.allowNonRestoredState) return undefined;
  const now = new Set([...job.sources.map((s) => s.node), ...job.keyed.map((k) => k.node)]);
  const gone = [...manifest.sources, ...manifest.keyed].map((s) => s.node).filter((node) => !now.has(node));
  if (gone.length === 0) return undefined;
  return `the job no longer has node ${gone.join(", ")}; bring it back under its name, or set startFrom.allowNonRestoredState to drop its state`;
}

function changedState(manifest: SavedNodes, job: ReadingNodes): string | undefined {
  for (const saved of manifest.keyed) {
    const node = job.keyed.find((k) => k.node === saved.node);
    if (node === undefined) continue;
    if (isBySplit(node.stateSignature) && byHash(node.stateSignature) === saved.stateSignature)
      return `node ${saved.node} has its keys by their hash, and with partitionedBy it would look for each in its split, which the state does not tell; take partitionedBy away again, or rename the node to start it empty`;
    if (saved.stateSignature !== node.stateSignature && byHash(saved.stateSignature) !== node.stateSignature) {
      const change = changeOf(saved.stateSignature, node.stateSignature);
      return `node ${saved.node} keeps other state now (${change}); rename the node to start it empty, or change it back`;
    }
    const unreadable = saved.stateVersion === node.stateVersion ? undefined : otherVersion(saved, node);
    if (unreadable !== undefined) return unreadable;
  }
  return undefined;
}

/** Only where both schemas tell: `1` and `"1"` are two keys, and what is kept under one would not be found by the other. */
function otherKeys(saved: Pick<Manifest, "keyTypes">, job: Pick<RunningJob, "keyTypes">): string | undefined {
  const types = new Map(Object.entries(job.keyTypes ?? {}));
  for (const [node, before] of Object.entries(saved.keyTypes ?? {})) {
    const now = types.get(node) ?? before;
    if (now === before) continue;
    return `node ${node} had a ${before} for its key and has a ${now} now, by the schemas: what is kept under the old keys would not be found; convert it back in a map (string(…), double(…)), rename the node to start it empty, or, if only the schema was wrong, declare the field json first`;
  }
  return undefined;
}

function otherVersion({ stateVersion: saved }: { stateVersion: number }, reader: Reader): string | undefined {
  const { node, stateVersion: own } = reader;
  if (reader.unreadable !== undefined) return reader.unreadable(saved);
  const oldest = oldestReadable(reader);
  if (saved < own && saved >= oldest) return undefined;
  const found = `node ${node} has state of version ${saved}, this worker reads`;
  return saved > own
    ? `${found} up to ${own}; run a newer Weir`
    : `${found} from ${oldest} on; run the Weir that wrote it`;
}

/** `saved window=tumbling/1000/0, now window=tumbling/2000/0`: the parts of a signature that differ. */
function changeOf(saved: string, now: string): string {
  const [before, after] = [saved.split(";"), now.split(";")];
  const shown = (parts: readonly string[], others: readonly string[]): string =>
    parts
      .filter((part) => !others.includes(part))
      .join("; ")
      .slice(0, MAX_SHOWN) || "nothing of it";
  return `saved ${shown(before, after)}, now ${shown(after, before)}`;
}

const MAX_SHOWN = 300;

function movedKeys(manifest: Manifest, job: RunningJob): string | undefined {
  for (const saved of manifest.sources) {
    const source = job.sources.find((s) => s.node === saved.node);
    if (source === undefined || !source.keyedBySplit || source.splitCount === saved.splitCount) continue;
    return `source ${saved.node} had ${saved.splitCount} splits and now has ${source.splitCount}, so keys have moved between them; take partitionedBy away, and keys are found by their hash`;
  }
  return undefined;
}
