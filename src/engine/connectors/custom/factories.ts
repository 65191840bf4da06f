import { WeirError } from "../../../errors.ts";
import { exported, refuseModules, titleOf } from "../../functions/loaded-function.ts";
import type { ImportModule } from "../../functions/loaded-function.ts";
import { CUSTOM } from "../../functions/plan-functions.ts";
import type { CustomConfig } from "../../functions/plan-functions.ts";
import type { PlanSink, PlanSource } from "../../plan.ts";
import type { SinkFactory, SourceFactory } from "../connector.ts";
import type { ConnectorRegistry } from "../registry.ts";

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
  return await custom<SourceFactory>(source, from, ["splits", "open"]);
}

export async function sinkFactory(
  sink: PlanSink,
  from: Connectors,
): Promise<{ factory: SinkFactory; config: unknown }> {
  if (sink.connector !== CUSTOM) return { factory: await from.connectors.sink(sink.connector), config: sink.config };
  return await custom<SinkFactory>(sink, from, ["open"]);
}

/** A factory that a user's module exports, with the configuration that is its own. */
async function custom<F>(
  end: PlanSource | PlanSink,
  { importModule = refuseModules }: Connectors,
  methods: readonly string[],
): Promise<{ factory: F; config: unknown }> {
  const { function: fn, config } = end.config as CustomConfig;
  const { value } = await exported(fn, importModule);
  const own = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  const missing = methods.filter((name) => typeof own[name] !== "function");
  if (missing.length === 0) return { factory: value as F, config };
  const kind = methods.length > 1 ? "source" : "sink";
  throw new WeirError(
    "FUNCTION_INVALID",
    `node "${end.node}", ${titleOf(fn)}: export "${fn.export}" is no ${kind} connector, it has no function ${missing.join(" and ")}`,
  );
}
