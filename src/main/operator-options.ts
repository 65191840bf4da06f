import { parseArgs } from "node:util";
import { WeirError, messageOf } from "../errors.ts";
import { configFrom } from "./config-file.ts";
import type { OperatorConfig } from "./operator-config.ts";

/** What the operator process is started with: where its API server is, and its configuration. Read once, here. */
export interface OperatorFlags {
  /** Absent: the ServiceAccount of this pod. */
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  readonly config: OperatorConfig;
}

interface Flag {
  readonly help: string;
  /** How the text becomes a value. `switch` is a flag without a value. */
  readonly kind: "text" | "truth" | "names" | "switch";
  /** The field of the configuration that it overrides; absent for flags that are none of its fields. */
  readonly field?: string;
}

/** Each may also come from the environment as WEIR_<NAME>. The command line wins, then the environment, then the file. */
export const FLAGS = {
  config: { kind: "text", help: "YAML file with the fields below; flags and the environment override it." },
  kubeconfig: { kind: "text", help: "Outside a cluster: how to reach the API server." },
  context: { kind: "text", help: "Context of the kubeconfig; default: its current one." },
  namespace: { kind: "names", field: "namespaces", help: "Watched namespaces: `a,b`, or the flag again." },
  "all-namespaces": { kind: "switch", field: "allNamespaces", help: "Watches the whole cluster." },
  "worker-image": { kind: "text", field: "worker.image", help: "Image of worker pods." },
  "state-claim": { kind: "text", field: "worker.stateClaim", help: "Claim that holds the workers' state." },
  "token-key-file": { kind: "text", field: "tokenKeyFile", help: "File with the key of worker tokens." },
  "metrics-bind": { kind: "text", field: "metricsBind", help: "Where probes and metrics are served." },
  "leader-elect": { kind: "truth", field: "leaderElection.enabled", help: "`true` or `false`." },
  "lease-namespace": { kind: "text", field: "leaderElection.namespace", help: "Where the Lease is." },
  "log-level": { kind: "text", field: "logLevel", help: "`debug`, `info`, `warn` or `error`." },
} as const satisfies Readonly<Record<string, Flag>>;

type Name = keyof typeof FLAGS;
type Environment = Readonly<Record<string, string | undefined>>;

export const variableOf = (flag: string): string => `WEIR_${flag.toUpperCase().replaceAll("-", "_")}`;

/** Rejects with CONFIG_INVALID, which names each wrong field and who set it. */
export async function operatorFlags(argv: readonly string[], environment: Environment): Promise<OperatorFlags> {
  const given = parse(argv);
  const said = (Object.keys(FLAGS) as Name[]).flatMap((name): Said[] => {
    const flag = given[name];
    if (flag !== undefined) return flag.join("") === "" ? [] : [{ name, by: `--${name}`, values: flag }];
    const variable = environment[variableOf(name)];
    return variable === undefined || variable === "" ? [] : [{ name, by: variableOf(name), values: [variable] }];
  });
  const textOf = (name: Name): string | undefined => said.find((s) => s.name === name)?.values.at(-1);
  const overrides = said.flatMap((one) => {
    const { field, kind }: Flag = FLAGS[one.name];
    return field === undefined ? [] : [{ field, by: one.by, value: valueOf(kind, one) }];
  });
  const config = await configFrom(textOf("config"), overrides);
  return { kubeconfig: textOf("kubeconfig"), context: textOf("context"), config };
}

interface Said {
  readonly name: Name;
  /** `--namespace` or `WEIR_NAMESPACE`. */
  readonly by: string;
  readonly values: readonly string[];
}

function valueOf(kind: Flag["kind"], { by, values }: Said): unknown {
  const text = values.at(-1) ?? "";
  if (kind === "text") return text;
  if (kind === "names") return values.flatMap((v) => v.split(",")).flatMap((v) => (v.trim() === "" ? [] : [v.trim()]));
  if (text === "true" || text === "false") return text === "true";
  throw new WeirError("CONFIG_INVALID", `${by}: must be true or false, not "${text}"`);
}

function parse(argv: readonly string[]): Readonly<Partial<Record<string, string[]>>> {
  const options = Object.fromEntries(
    Object.entries(FLAGS).map(([name, { kind }]) => [
      name,
      { type: kind === "switch" ? ("boolean" as const) : ("string" as const), multiple: true },
    ]),
  );
  try {
    const { values } = parseArgs({ args: [...argv], options, strict: true });
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value].flat().map(String)]));
  } catch (e) {
    throw new WeirError("CONFIG_INVALID", messageOf(e), { cause: e });
  }
}
