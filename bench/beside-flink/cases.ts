/** A pipeline with tests, cases/NAME.yaml, beside views of the same names as its nodes, cases/NAME.sql. */
export interface Case {
  readonly name: string;
  /** Nodes whose results replace one another, and the fields by which. */
  readonly keys?: Readonly<Record<string, readonly string[]>>;
}

const ranks = ["k", "rank"];

export const cases: readonly Case[] = [
  { name: "windows" },
  { name: "late" },
  { name: "joins" },
  { name: "late-joins" },
  { name: "versions" },
  { name: "aggregates", keys: { running: ["k"], "running-orders": ["k"] } },
  { name: "rows", keys: { "last-to-come": ["k"], "last-in-time": ["k"], highest: ranks, lowest: ranks } },
  { name: "conditions" },
  { name: "functions" },
];
