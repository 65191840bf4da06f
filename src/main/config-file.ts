import { open } from "node:fs/promises";
import { WeirError, messageOf } from "../errors.ts";
import { readYaml } from "../yaml/read-yaml.ts";
import type { OperatorConfig } from "./operator-config.ts";
import { operatorConfig } from "./operator-config.ts";

/** A field that a flag or a variable sets, whatever the file says. */
export interface Override {
  /** `leaderElection.enabled` */
  readonly field: string;
  /** Who says so, for messages. */
  readonly by: string;
  readonly value: unknown;
}

const MAX_BYTES = 64 * 1024;

/** The file's fields with the overrides on top, checked together. Rejects with CONFIG_INVALID. */
export async function configFrom(file: string | undefined, overrides: readonly Override[]): Promise<OperatorConfig> {
  const raw = file === undefined ? {} : await read(file);
  const merged = overrides.reduce((into, { field, value }) => withField(into, field.split("."), value), raw);
  const result = operatorConfig.safeParse(onlyOneScope(merged, overrides));
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => {
    const path = issue.path.join(".");
    const by = overrides.find((o) => o.field === path || path.startsWith(`${o.field}.`))?.by;
    return `${by ?? (path === "" ? "it" : path)}: ${issue.message}`;
  });
  const where = file === undefined ? "" : ` (file ${file})`;
  throw new WeirError("CONFIG_INVALID", `the operator's configuration${where} is wrong: ${lines.join("; ")}`);
}

/** A scope that the command line names replaces the one of the file. */
function onlyOneScope(config: Fields, overrides: readonly Override[]): Fields {
  const named = new Set(overrides.map((o) => o.field));
  if (named.has("namespaces") && !named.has("allNamespaces")) return { ...config, allNamespaces: false };
  if (named.has("allNamespaces") && !named.has("namespaces")) return { ...config, namespaces: [] };
  return config;
}

type Fields = Readonly<Record<string, unknown>>;

async function read(file: string): Promise<Fields> {
  const text = await bounded(file).catch((e: unknown) => {
    throw new WeirError("CONFIG_INVALID", `cannot read the configuration ${file}: ${messageOf(e)}`, { cause: e });
  });
  try {
    const [value, ...more] = readYaml(text).map((document) => document.value);
    if (isFields(value ?? {}) && more.length === 0) return (value ?? {}) as Fields;
  } catch (e) {
    throw new WeirError("CONFIG_INVALID", `the configuration ${file} ${messageOf(e)}`, { cause: e });
  }
  throw new WeirError("CONFIG_INVALID", `the configuration ${file} must be one map of fields`);
}

async function bounded(file: string): Promise<string> {
  const handle = await open(file);
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(MAX_BYTES + 1), 0, MAX_BYTES + 1, 0);
    if (bytesRead > MAX_BYTES) throw new Error(`it is larger than ${MAX_BYTES} bytes`);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await handle.close();
  }
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A parent of the wrong type is left as it is: the schema says so in better words. */
function withField(fields: Fields, [first = "", ...rest]: readonly string[], value: unknown): Fields {
  const inner = fields[first] ?? {};
  if (rest.length === 0) return { ...fields, [first]: value };
  return isFields(inner) ? { ...fields, [first]: withField(inner, rest, value) } : fields;
}
