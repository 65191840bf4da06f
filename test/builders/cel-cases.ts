import { tests } from "@bufbuild/cel-spec/testdata/conformance.js";

/** A value of CEL's own test data as Weir's CEL has it, or that it has no such value: unsigned, bytes, messages, types. */
export const UNKNOWN_VALUE = Symbol("a value that Weir's CEL does not have");

export interface CelCase {
  /** suite/section/name */
  readonly name: string;
  readonly expression: string;
  readonly bindings: Readonly<Record<string, unknown>>;
  /** Either the value, or that evaluation fails. */
  readonly expected: { readonly value: unknown } | "error";
}

/** The conformance cases of the cel-spec package, as far as they are about values that Weir's CEL has; and how many are not. */
export function celCases(): { readonly cases: readonly CelCase[]; readonly others: number } {
  const cases: CelCase[] = [];
  let others = 0;
  const visit = ({ name, tests: own = [], suites = [] }: Suite, path: string): void => {
    const at = path === "" ? name : `${path}/${name}`;
    for (const { original } of own) {
      const found = caseOf(original, at);
      if (found === undefined) others++;
      else cases.push(found);
    }
    for (const suite of suites) visit(suite, at);
  };
  for (const suite of (tests as unknown as Suite).suites ?? []) visit(suite, "");
  return { cases, others };
}

interface Suite {
  readonly name: string;
  readonly tests?: readonly { readonly original: Original }[];
  readonly suites?: readonly Suite[];
}

interface Original {
  readonly name?: string;
  readonly expr: string;
  readonly bindings?: Readonly<Record<string, { readonly value?: CelValue }>>;
  readonly value?: CelValue;
  readonly evalError?: unknown;
  readonly typedResult?: unknown;
  readonly typeEnv?: unknown;
}

/** As protobuf writes them in JSON: one field, named by the type. */
type CelValue = Readonly<Record<string, unknown>>;

function caseOf(original: Original, path: string): CelCase | undefined {
  const expected = expectedOf(original);
  const bindings = Object.entries(original.bindings ?? {}).map(
    ([name, { value }]) => [name, value === undefined ? UNKNOWN_VALUE : valueOf(value)] as const,
  );
  if (expected === undefined || bindings.some(([, value]) => value === UNKNOWN_VALUE)) return undefined;
  return {
    name: `${path}/${original.name ?? original.expr}`,
    expression: original.expr,
    bindings: Object.fromEntries(bindings),
    expected,
  };
}

/** A case that says nothing expects true. */
function expectedOf({ value, evalError, typedResult, typeEnv }: Original): CelCase["expected"] | undefined {
  if (evalError !== undefined) return "error";
  if (value === undefined) return typedResult === undefined && typeEnv === undefined ? { value: true } : undefined;
  const known = valueOf(value);
  return known === UNKNOWN_VALUE ? undefined : { value: known };
}

function valueOf(value: CelValue): unknown {
  const [[type, of] = ["", undefined]] = Object.entries(value);
  switch (type) {
    case "int64Value":
    case "doubleValue":
      return Number(of);
    case "stringValue":
    case "boolValue":
    case "nullValue":
      return of;
    case "listValue":
      return listOf((of as { values?: readonly CelValue[] }).values ?? []);
    case "mapValue":
      return mapOf((of as { entries?: readonly Entry[] }).entries ?? []);
    default:
      return UNKNOWN_VALUE;
  }
}

interface Entry {
  readonly key: CelValue;
  readonly value: CelValue;
}

function listOf(values: readonly CelValue[]): unknown {
  const list = values.map(valueOf);
  return list.includes(UNKNOWN_VALUE) ? UNKNOWN_VALUE : list;
}

function mapOf(entries: readonly Entry[]): unknown {
  const fields = entries.map(({ key, value }) => [valueOf(key), valueOf(value)] as const);
  const known = fields.every(([key, value]) => typeof key === "string" && value !== UNKNOWN_VALUE);
  return known ? Object.fromEntries(fields as [string, unknown][]) : UNKNOWN_VALUE;
}
