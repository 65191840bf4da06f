/** What may be chosen, by variables of the environment: `make bench RECORDS=1000000 RUNS=3 ONLY=W1,q5 FLINK=1`. */
export interface Options {
  /** Of each input. */
  readonly records: number;
  /** On each row; the table has their median. */
  readonly runs: number;
  /** The same of Flink, which takes many times longer; none leaves it out. */
  readonly flinkRuns: number;
  /** Names of rows, or "figures" for the other table; everything without it. */
  readonly only: readonly string[];
  /** Idle jobs of the operator. */
  readonly jobs: number;
}

export function optionsOf(env: Readonly<Record<string, string | undefined>>): Options {
  const runs = atLeast(env, "RUNS", { least: 1, otherwise: 5 });
  return {
    runs,
    flinkRuns: atLeast(env, "FLINK", { least: 0, otherwise: runs }),
    records: atLeast(env, "RECORDS", { least: 100_000, otherwise: 4_000_000 }),
    jobs: atLeast(env, "JOBS", { least: 1, otherwise: 100 }),
    only: (env["ONLY"] ?? "").split(",").filter((name) => name !== ""),
  };
}

export const chosen = ({ only }: Options, name: string): boolean => only.length === 0 || only.includes(name);

function atLeast(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  { least, otherwise }: { readonly least: number; readonly otherwise: number },
): number {
  const text = env[name];
  if (text === undefined || text === "") return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`${name} must be a whole number from ${least} on`);
  return value;
}
