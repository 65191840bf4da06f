import { WeirError } from "../../errors.ts";
import { refuseIncompatible } from "../checkpoint/compatibility.ts";
import { dealSource, dealWhole, restoreKeyed } from "../checkpoint/deal.ts";
import type { Decider } from "../checkpoint/newest.ts";
import { sinkFactory, sourceFactory } from "../connectors/custom/factories.ts";
import { loadFunctions, refuseModules } from "../functions/loaded-function.ts";
import { findState, recordOrigin, type RestoredState } from "../checkpoint/restore.ts";
import type { Storage } from "../checkpoint/storage.ts";
import type { ConnectorContext, SinkWriter, SourceContext, SourceFactory, Split } from "../connectors/connector.ts";
import type { PlanSink, PlanSource } from "../plan.ts";
import { lookupClient, type LookupClient } from "../lookups/lookup-client.ts";
import { finishCommits } from "./finish-commits.ts";
import type { Program } from "../program.ts";
import { storedNodes } from "../keyed-state/state-of.ts";
import { rocksState, type RocksState, type StateDisk } from "../rocksdb/database.ts";
import { noteLosses, type Losses } from "./losses.ts";
import type { Problems } from "./problems.ts";
import { identityOf, storageOpener, type SlotOptions } from "./slot-options.ts";
import { sourceTask, type OpenSource, type SourceTask } from "./source-task.ts";

/** A slot with its state restored and everything open, ready for its first batch. */
export interface OpenSlot {
  readonly program: Program;
  readonly tasks: readonly SourceTask[];
  readonly sinks: ReadonlyMap<string, SinkWriter>;
  /** Sinks commit what the checkpoints say, and no system decides. */
  readonly follows: boolean;
  readonly storage: Storage;
  readonly restored: RestoredState | undefined;
  readonly losses: Losses;
  readonly lookups: ReadonlyMap<string, LookupClient>;
  /** Of state in RocksDB. */
  readonly disk: () => StateDisk | undefined;
  /** An error ended it, maybe in the middle of a batch: what it holds is no cut between two batches any more. */
  readonly torn: boolean;
  tear(): void;
  close(): Promise<void>;
}

interface ListedSource {
  readonly plan: PlanSource;
  readonly factory: SourceFactory;
  readonly config: unknown;
  readonly context: SourceContext;
  readonly splits: readonly Split[];
}

/** Nothing outside is changed before the saved state is known to fit: a refused restore leaves no trace. */
export async function openSlot(options: SlotOptions, problems: Problems): Promise<OpenSlot> {
  const { plan, start } = options;
  const opened: { close(): Promise<void> }[] = [];
  const losses = noteLosses((message) => options.listener.warning?.(message));
  let torn = false;
  const close = async (): Promise<void> => {
    await Promise.allSettled(opened.splice(0).map((o) => o.close()));
  };
  try {
    refuseTooManySlots(options);
    const storage = storageOpener(options)(start.checkpoint.uri);
    const functions = await loadFunctions(plan, options.importModule ?? refuseModules);
    const common = new Map<string, unknown>();
    const open = (sink: PlanSink): ReturnType<typeof openSink> =>
      openSink(sink, { ...options, common }, problems, opened);
    const committing = Map.groupBy(plan.sinks, (sink) => sink.delivery === "ExactlyOnce");
    const first = await Promise.all((committing.get(true) ?? []).map(open));
    const decider = deciderOf(first);
    const follows = decider === undefined && first.some(([, writer]) => writer.commit !== undefined);
    const restored = await restoreAndRecord(options, storage, { decider, follows });
    const [others, sources] = await Promise.all([
      Promise.all((committing.get(false) ?? []).map(open)),
      Promise.all(plan.sources.map((source) => listSource(source, options, problems, losses))),
    ]);
    const writers = new Map([...first, ...others]);
    const lookups = await openLookups(options, problems, opened);
    const { slot } = options;
    const { peek } = options.listener;
    const rocks = openRocks(options, opened);
    const program = options.build(plan, {
      slot,
      slots: start.slots,
      sinks: writers,
      parameters: plan.parameters,
      functions,
      lookups,
      ...(rocks === undefined ? {} : { rocks }),
      ...(peek === undefined ? {} : { peek }),
    });
    if (restored !== undefined) await applyState(restored, program, sources, { options, writers, storage });
    const readers = await Promise.all(sources.map((source) => openReader(source, options, restored, opened)));
    const tasks = readers.map((r) => sourceTask(r, program));
    return {
      program,
      tasks,
      sinks: writers,
      follows,
      storage,
      restored,
      losses,
      lookups,
      disk: () => rocks?.disk(),
      get torn() {
        return torn;
      },
      tear: () => {
        torn = true;
      },
      close,
    };
  } catch (e) {
    await close();
    throw e;
  }
}

function openRocks(
  { start, plan, stateFolder }: SlotOptions,
  opened: { close(): Promise<void> }[],
): RocksState | undefined {
  if (start.rocksdb === undefined) return undefined;
  if (stateFolder === undefined)
    throw new WeirError("INTERNAL", "a slot with state in RocksDB was given no folder for it");
  const { memoryBytes } = start.rocksdb;
  const rocks = rocksState({ folder: stateFolder, memoryBytes, nodes: storedNodes(plan).length });
  // A database that a checkpoint still reads may write files while they are removed: the next start removes them.
  opened.push({ close: async () => rocks.close() });
  return rocks;
}

function refuseTooManySlots({ plan, start, slot }: SlotOptions): void {
  const { slots } = start;
  if (slots > 1 && plan.exchanges !== undefined && start.exchange === undefined)
    throw new WeirError(
      "SPEC_INVALID",
      `slot ${slot} of ${slots} cannot run: start.json has no generation of exchanges`,
    );
  const limit = Math.min(plan.maxParallelism, plan.parallelismLimit?.max ?? Infinity);
  if (slots <= limit && slot < slots) return;
  const why = slots > plan.maxParallelism ? `maxParallelism is ${plan.maxParallelism}` : plan.parallelismLimit?.reason;
  throw new WeirError("SPEC_INVALID", `slot ${slot} of ${slots} cannot run: ${why ?? "there is no such slot"}`);
}

/**
 * The sink that says which checkpoints count, or the first of several that commit as one. With two that do not, a crash
 * between their commits could not be put right.
 */
function deciderOf(writers: readonly (readonly [string, SinkWriter])[]): Decider | undefined {
  const deciders = writers.filter(([, writer]) => writer.committed !== undefined);
  if (new Set(deciders.map(([node, writer]) => writer.decidesWith ?? `alone: ${node}`)).size > 1) {
    const names = deciders.map(([node]) => node).join(", ");
    throw new WeirError(
      "SPEC_INVALID",
      `the sinks ${names} would each decide what counts; one job can have one such system`,
    );
  }
  const [node, writer] = deciders[0] ?? [];
  if (node === undefined || writer?.committed === undefined) return undefined;
  return { node, committed: writer.committed };
}

function stateGone({ slot, start }: SlotOptions): WeirError {
  const text = `slot ${slot} has completed a checkpoint in this epoch, but ${start.checkpoint.uri} has none any more; start from a savepoint, or set spec.startFrom.acceptEmptyState to a new value to start empty`;
  return new WeirError("CHECKPOINT_CORRUPT", text);
}

const hashedNodes = ({ nodes }: SlotOptions["plan"]): ReadonlySet<string> =>
  new Set(nodes.filter((node) => "keying" in node && node.keying !== "declared").map(({ name }) => name));

async function restoreAndRecord(
  options: SlotOptions,
  storage: Storage,
  commits: { readonly decider: Decider | undefined; readonly follows: boolean },
): Promise<RestoredState | undefined> {
  const request = {
    storage,
    openStorage: storageOpener(options),
    identity: identityOf(options),
    restore: options.start.restore,
    hashed: hashedNodes(options.plan),
    ...commits,
  };
  options.listener.restoring?.();
  const restored = await findState(request);
  if (restored === undefined && options.hadState === true) throw stateGone(options);
  await recordOrigin(request);
  if (restored?.fellBack !== undefined) options.listener.warning?.(restored.fellBack);
  return restored;
}

async function applyState(
  restored: RestoredState,
  program: Program,
  sources: readonly ListedSource[],
  { options, ...sinks }: { options: SlotOptions; writers: ReadonlyMap<string, SinkWriter>; storage: Storage },
): Promise<void> {
  refuseIncompatible(restored, {
    identity: identityOf(options),
    maxParallelism: options.plan.maxParallelism,
    keyTypes: options.plan.keyTypes,
    keyed: program.keyed,
    sources: sources.map(({ plan, splits }) => ({
      node: plan.node,
      splitCount: splits.length,
      keyedBySplit: plan.partitionedBy !== null,
    })),
  });
  for (const part of restored.parts) await finishCommits(part, sinks);
  const { plan, slot, start } = options;
  await restoreKeyed(program.keyed, restored, { slot, slots: start.slots, maxParallelism: plan.maxParallelism });
}

function contextOf(node: string, secretRef: string | null, options: SlotOptions, problems: Problems): ConnectorContext {
  return {
    node,
    job: `${options.start.namespace}.${options.start.job}`,
    clock: options.clock,
    secret: (key) => (secretRef === null ? undefined : options.secret(secretRef, key)),
    referenced: (kind, name, key) => (kind === "Secret" ? options.secret(name, key) : options.configMap(name, key)),
    resolvePath: options.resolvePath,
    report: (problem) =>
      problems.report(node, problem && { ...problem, message: `node "${userNode(node)}": ${problem.message}` }),
    signal: options.signal,
  };
}

/** Of a topic between workers, the node that it is for. */
const userNode = (node: string): string => node.split("~")[0] ?? node;

async function openSink(
  sink: PlanSink,
  options: SlotOptions & { readonly common: Map<string, unknown> },
  problems: Problems,
  opened: { close(): Promise<void> }[],
): Promise<readonly [string, SinkWriter]> {
  const { lineage, epoch, checkpoint } = options.start;
  const who = {
    lineage,
    epoch,
    slot: options.slot,
    attempt: options.attempt,
    common: options.common,
    delivery: sink.delivery ?? "AtLeastOnce",
    onError: sink.onError,
    warn: (message: string) => options.listener.warning?.(message),
    commitWithinMs: Math.max(checkpoint.intervalMs, checkpoint.minPauseMs) + checkpoint.timeoutMs,
  };
  const { factory, config } = await sinkFactory(sink, options);
  const writer = await factory.open(config, {
    ...contextOf(sink.node, sink.secretRef, options, problems),
    ...who,
  });
  opened.push(writer);
  return [sink.node, writer];
}

async function openLookups(
  options: SlotOptions,
  problems: Problems,
  opened: { close(): Promise<void> }[],
): Promise<ReadonlyMap<string, LookupClient>> {
  const clients = new Map<string, LookupClient>();
  for (const node of options.plan.nodes) {
    if (node.kind !== "lookup") continue;
    const { connector, config, secretRef } = node.lookup;
    const context = contextOf(node.name, secretRef, options, problems);
    const client = lookupClient(
      node.lookup,
      (await options.connectors.lookup(connector)).open(config, context),
      context,
    );
    opened.push(client);
    clients.set(node.name, client);
  }
  return clients;
}

async function listSource(
  plan: PlanSource,
  options: SlotOptions,
  problems: Problems,
  losses: Losses,
): Promise<ListedSource> {
  const { factory, config } = await sourceFactory(plan, options);
  const context = {
    ...contextOf(plan.node, plan.secretRef, options, problems),
    partitionedBy: plan.partitionedBy,
    epoch: options.start.epoch,
    lost: losses.note,
  };
  return { plan, factory, config, context, splits: await factory.splits(config, context) };
}

async function openReader(
  { plan, factory, config, context, splits }: ListedSource,
  options: SlotOptions,
  restored: RestoredState | undefined,
  opened: { close(): Promise<void> }[],
): Promise<OpenSource> {
  const whole = plan.broadcast === true;
  const dealt = whole ? dealWhole(splits) : dealSource(plan.node, splits, identityOf(options), restored);
  const [slot, slots] = whole ? [0, 1] : [options.slot, options.start.slots];
  const deal = dealt.kept ? {} : { deal: { slot, slots, splits } };
  const reader = await factory.open(config, dealt.assigned, { ...context, ...deal });
  opened.push(reader);
  return { plan, reader, dealt };
}
