import { WeirError } from "../../../errors.ts";
import { exported, refuseModules, titleOf } from "../../functions/loaded-function.ts";
import type { ImportModule } from "../../functions/loaded-function.ts";
import { CUSTOM } from "../../functions/plan-functions.ts";
import type { CustomConfig } from "../../functions/plan-functions.ts";
import type { Delivery, PlanSink, PlanSource } from "../../plan.ts";
import type { OutRecord, SinkFactory, SinkWriter, SourceFactory } from "../connector.ts";
import type { ConnectorRegistry } from "../registry.ts";
import { withNamedErrors } from "./named-errors.ts";
import type { Owner } from "./named-errors.ts";

/** Where connectors come from: Weir's own, and the user's modules. */
interface Connectors {
  readonly connectors: ConnectorRegistry;
  readonly importModule?: ImportModule;
}

export async function sourceFactory(
  source: PlanSource,
  from: Connectors,
): Promise<{ factory: SourceFactory; config: unknown }> {
  if (source.connector !== CUSTOM)
    return { factory: await from.connectors.source(source.connector), config: source.config };
  const { found, config, owner } = await custom(source, from, {
    methods: ["splits", "open"],
    code: "SOURCE_UNREACHABLE",
  });
  const own = withNamedErrors(found as SourceFactory, owner);
  const open: SourceFactory["open"] = async (...args) => withNamedErrors(await own.open(...args), owner);
  return { factory: { splits: own.splits, open }, config };
}

export async function sinkFactory(
  sink: PlanSink,
  from: Connectors,
): Promise<{ factory: SinkFactory; config: unknown }> {
  if (sink.connector !== CUSTOM) return { factory: await from.connectors.sink(sink.connector), config: sink.config };
  const { found, config, owner } = await custom(sink, from, { methods: ["open"], code: "SINK_UNREACHABLE" });
  const own = withNamedErrors(found as SinkFactory, owner);
  const open: SinkFactory["open"] = async (given, context) => {
    const writer = withNamedErrors(await own.open(given, context), owner);
    return asPromised(writer, { delivery: context.delivery, title: owner.title });
  };
  return { factory: { open }, config };
}

const COMMITTING: readonly string[] = ["prepare", "commit", "recover", "committed"] satisfies (keyof SinkWriter)[];

/** At least once, nothing is asked of a writer but to flush, whatever else it can. */
function asPromised(writer: SinkWriter, { delivery, title }: { delivery: Delivery; title: string }): SinkWriter {
  const hidden = delivery === "AtLeastOnce" ? COMMITTING : [];
  if (delivery === "ExactlyOnce" && !commits(writer)) {
    const needs = "its writer needs prepare, commit, and recover or committed";
    throw new WeirError("FUNCTION_INVALID", `${title}: it cannot deliver ExactlyOnce: ${needs}`);
  }
  const append: SinkWriter["append"] = (record) => writer.append(readable(record));
  return new Proxy(writer, {
    get: (target, name): unknown => {
      if (name === "append") return append;
      return hidden.includes(String(name)) ? undefined : Reflect.get(target, name, target);
    },
  });
}

function commits({ prepare, commit, recover, committed }: SinkWriter): boolean {
  return prepare !== undefined && commit !== undefined && (recover ?? committed) !== undefined;
}

const NOTHING = { value: Buffer.alloc(1), start: 1, end: 0 };

/** A tombstone that may end at −1, which is the last byte to a Buffer, in a range that every method of it takes for none. */
const readable = (record: OutRecord): OutRecord =>
  record.end < record.start && record.row === undefined ? { ...record, ...NOTHING } : record;

/** A factory that a user's module exports, with the configuration that is its own. */
async function custom(
  end: PlanSource | PlanSink,
  { importModule = refuseModules }: Connectors,
  { methods, code }: { methods: readonly string[]; code: Owner["code"] },
): Promise<{ found: object; config: unknown; owner: Owner }> {
  const { function: fn, config } = end.config as CustomConfig;
  const { value } = await exported(fn, importModule);
  const found = typeof value === "object" && value !== null ? value : {};
  const missing = methods.filter((name) => typeof (found as Readonly<Record<string, unknown>>)[name] !== "function");
  const title = `node "${end.node}", ${titleOf(fn)}`;
  if (missing.length === 0) return { found, config, owner: { title, code } };
  const kind = methods.length > 1 ? "source" : "sink";
  throw new WeirError(
    "FUNCTION_INVALID",
    `${title}: export "${fn.export}" is no ${kind} connector, it has no function ${missing.join(" and ")}`,
  );
}
