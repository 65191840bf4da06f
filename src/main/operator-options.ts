import { parseArgs } from "node:util";
import { z } from "zod";
import { WeirError, messageOf } from "../errors.ts";

/** Flags of the operator process; each may also come from the environment as WEIR_<NAME>. Read once, here. */
const FLAGS = {
  kubeconfig: { type: "string" },
  context: { type: "string" },
  namespace: { type: "string" },
  "worker-image": { type: "string" },
  "state-claim": { type: "string" },
  "token-key-file": { type: "string" },
  "metrics-bind": { type: "string" },
  "leader-elect": { type: "string" },
  "lease-namespace": { type: "string" },
  "log-level": { type: "string" },
} as const;

const truth = z.enum(["true", "false"]).transform((v) => v === "true");

const schema = z.object({
  /** Empty: the ServiceAccount of this pod. */
  kubeconfig: z.string().optional(),
  context: z.string().optional(),
  /** Watched namespace; empty is all of them. */
  namespace: z.string().default(""),
  "worker-image": z.string().min(1).default("ghcr.io/weir-dev/weir:0.1.0"),
  /** PersistentVolumeClaim mounted at /var/lib/weir of workers that mount nothing there. */
  "state-claim": z.string().min(1).default("weir-state"),
  /** File with the key that worker tokens are made from: a mounted Secret. */
  "token-key-file": z.string().min(1),
  "metrics-bind": z
    .string()
    .regex(/^[^\s]*:\d{1,5}$/, "must be host:port, for example :8081")
    .default(":8081"),
  "leader-elect": truth.default(true),
  "lease-namespace": z.string().optional(),
  "log-level": z.enum(["debug", "info", "warn", "error"]).default("info"),
});
export type OperatorFlags = z.infer<typeof schema>;

export function operatorFlags(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): OperatorFlags {
  const given = parse(argv);
  const merged = Object.fromEntries(
    Object.keys(FLAGS).flatMap((name) => {
      const value = given[name] ?? environment[`WEIR_${name.toUpperCase().replaceAll("-", "_")}`];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const result = schema.safeParse(merged);
  if (result.success) return result.data;
  const lines = result.error.issues.map((i) => `--${i.path.join(".")}: ${i.message}`);
  throw new WeirError("CONFIG_INVALID", `the operator's flags are wrong: ${lines.join("; ")}`);
}

function parse(argv: readonly string[]): Readonly<Record<string, string | undefined>> {
  try {
    return parseArgs({ args: [...argv], options: FLAGS, strict: true }).values;
  } catch (e) {
    throw new WeirError("CONFIG_INVALID", messageOf(e), { cause: e });
  }
}
