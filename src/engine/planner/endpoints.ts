import type { Sink, Source } from "../../api/connector.schema.ts";
import type { Pipeline } from "../../api/pipeline.schema.ts";
import { WeirError } from "../../errors.ts";
import { CUSTOM } from "../functions/plan-functions.ts";
import type { Delivery } from "../plan.ts";
import { planFunction } from "./process-operation.ts";
import { fill } from "./placeholders.ts";

/** A source's or sink's connector with its configuration: the connection's fields and the node's own, in one object. */
export interface Endpoint {
  readonly connector: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly secretRef: string | null;
  readonly key: string | null;
  /** Of a sink's records: expressions by name. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What a sink says itself of its delivery. */
  readonly delivery: Delivery | undefined;
}

interface EndpointContext {
  readonly node: string;
  readonly pipeline: Pipeline;
  readonly parameters: Readonly<Record<string, string>>;
}

type Fields = Readonly<Record<string, unknown>>;

export function sourceEndpoint(source: Source, context: EndpointContext): Endpoint {
  return endpoint(source, context);
}

export function sinkEndpoint(sink: Sink, context: EndpointContext): Endpoint {
  return endpoint(sink, context);
}

/** What a lookup asks: its connection says of which kind it is. */
export function lookupEndpoint(
  { connection, own }: { readonly connection: string; readonly own: Fields },
  context: EndpointContext,
): Pick<Endpoint, "connector" | "config" | "secretRef"> {
  const found: Fields = (context.pipeline.connections ?? []).find((c) => c.name === connection) ?? {};
  const connector = Object.keys(found).find((k) => k !== "name") ?? "";
  const config = fill({ ...connectionFields(connection, connector, context), ...own }, context.parameters) as Fields;
  return { connector, config, secretRef: secretOf(config) };
}

function endpoint(spec: Source | Sink, context: EndpointContext): Endpoint {
  const where = `node "${context.node}"`;
  const { connection, batching, ...kinds } = spec as Fields;
  const connector = Object.keys(kinds).find((k) => kinds[k] !== undefined) ?? "";
  const { key, headers, delivery, ...own } = kinds[connector] as Fields;
  const shared = typeof connection === "string" ? connectionFields(connection, connector, context) : {};
  if (connector === CUSTOM) return customEndpoint(kinds[connector] as CustomSpec, context);
  const config = { ...shared, ...own, ...(batching === undefined ? {} : { batching }) };
  const filled = fill(config, context.parameters) as Fields;
  checkTopics(filled, where);
  return {
    connector,
    config: filled,
    secretRef: secretOf(filled),
    key: typeof key === "string" ? key : null,
    ...(headers === undefined ? {} : { headers: headers as Readonly<Record<string, string>> }),
    delivery: delivery as Delivery | undefined,
  };
}

interface CustomSpec {
  readonly function: string;
  readonly config?: Fields;
  readonly delivery?: Delivery;
}

/** The connector gets `config` as it stands; a `secretRef` in it is what its context reads credentials from. */
function customEndpoint({ function: name, config = {}, delivery }: CustomSpec, context: EndpointContext): Endpoint {
  const filled = fill(config, context.parameters) as Fields;
  const own = { function: planFunction(context.pipeline, name), config: filled };
  return { connector: CUSTOM, config: own, secretRef: secretOf(filled), key: null, delivery };
}

/** That it exists and is of the node's kind has been checked. */
function connectionFields(name: string, connector: string, { pipeline }: EndpointContext): Fields {
  const found = (pipeline.connections ?? []).find((c) => c.name === name) as Fields | undefined;
  return (found?.[connector] ?? {}) as Fields;
}

function secretOf(config: Fields): string | null {
  const sasl = config["sasl"] as { secretRef?: { name?: string } } | undefined;
  const own = config["secretRef"] as { name?: string } | undefined;
  return sasl?.secretRef?.name ?? own?.name ?? null;
}

/** A brace is not a character of a topic's name: it can only be a placeholder that no parameter fills. */
function checkTopics(config: Fields, where: string): void {
  const topics = [config["topic"], ...((config["topics"] as unknown[] | undefined) ?? [])];
  for (const topic of topics)
    if (typeof topic === "string" && /[{}]/.test(topic))
      throw new WeirError(
        "PIPELINE_INVALID",
        `${where}: no parameter fills the placeholder in topic "${topic}"; give it in spec.parameters`,
      );
}
