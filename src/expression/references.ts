import type { FieldPath, Node } from "./expression.ts";
import { childrenOf } from "./expression.ts";

/** Every path that an expression reads, each once, in the order of the text. */
export function referencesOf(node: Node): readonly FieldPath[] {
  const found = new Map<string, FieldPath>();
  const visit = (n: Node): void => {
    if (n.kind === "path" || n.kind === "hasPath") found.set(JSON.stringify(n.path), n.path);
    for (const child of childrenOf(n)) visit(child);
  };
  visit(node);
  return [...found.values()];
}

const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** As a user would write it: `event.payload["content-type"]`. */
export function textOfPath(path: FieldPath): string {
  return path.map((name, i) => (i === 0 ? name : PLAIN.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`)).join("");
}
