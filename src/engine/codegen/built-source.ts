import type { At, ChainWriter, Fail, Guarded } from "./chain.ts";
import { missingTest } from "./missing-field.ts";
import { leaf, tree, withPresence } from "./shape.ts";
import type { Leaf } from "./shape.ts";

/** What a new event needs: variables, and statements that can fail on a record. */
export interface Building {
  readonly declared: string[];
  readonly steps: ((fail: Fail) => string)[];
}

interface Built {
  readonly at: At;
  readonly fields: readonly { readonly path: readonly string[]; readonly expression: string }[];
  /** The leaf of a field that keeps its bytes; undefined for one that is calculated. */
  readonly copy: (expression: string, building: Building) => Leaf | undefined;
}

/** An event of fields that are copied or calculated, and the chain below it. */
export function builtSource(chain: ChainWriter, node: Guarded, { at, fields, copy }: Built): string {
  const building: Building = { declared: [], steps: [] };
  const leaves = fields.map(({ path, expression }) => ({
    path,
    leaf: copy(expression, building) ?? calculated(chain, at, { expression, building }),
  }));
  const { declared, steps } = building;
  const step = (fail: Fail): string => steps.map((s) => s(fail)).join("\n");
  const { row, where } = at;
  const built: At = { shape: { kind: "built", root: tree(leaves) }, raw: undefined, row, where };
  return chain.guarded(node, at, { declared, step }, chain.readers(node.name, "out", built));
}

function calculated(chain: ChainWriter, at: At, of: { expression: string; building: Building }): Leaf {
  const { declared, steps } = of.building;
  const m = `m${chain.id()}`;
  declared.push(m);
  const value = chain.expression(of.expression, at, declared);
  steps.push((fail) => `${m} = ${value}; if (${m} instanceof Failure) ${fail(m)}`);
  return leaf(m);
}

/** A field that is copied unchanged; that it is missing is a failure. */
export function copiedField(copied: Leaf, expression: string, { steps }: Building): Leaf {
  const test = missingTest(copied, expression);
  if (test !== undefined) steps.push(test);
  return withPresence(copied);
}
