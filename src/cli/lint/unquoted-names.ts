import { SCALAR_STYLE } from "js-yaml";
import type { PipelineNode } from "../../api/pipeline.schema.ts";
import type { Problem } from "../../api/problem.ts";
import { textOf } from "../../yaml/find-place.ts";
import type { PlaceNode } from "../../yaml/place-tree.ts";
import type { LocatedObject } from "./located-object.ts";

/** What YAML 1.1, and so kubectl, takes for true and false. */
const BOOLEAN: Readonly<Record<string, string>> = {
  y: "true",
  yes: "true",
  on: "true",
  n: "false",
  no: "false",
  off: "false",
};

/** Where users name fields. */
const NAMED: readonly (readonly (keyof PipelineNode | "select")[])[] = [
  ["map"],
  ["aggregate"],
  ["schema"],
  ["join", "select"],
  ["broadcast", "select"],
];

/** Names that are texts here and truth values to kubectl: what it would send is refused. */
export function unquotedNames({ file, root }: LocatedObject): Problem[] {
  const nodes = below(root, ["spec", "pipeline", "nodes"])?.items ?? [];
  return nodes.flatMap((node, i) =>
    NAMED.flatMap((keys) =>
      [...(below(node, keys)?.fields ?? [])]
        .filter(([name, { key }]) => Object.hasOwn(BOOLEAN, name.toLowerCase()) && !isQuoted(file.text, key))
        .map(([name]): Problem => ({
          code: "SPEC_INVALID",
          path: `spec.pipeline.nodes[${textOf(node.fields.get("name"), file.text) ?? i}].${keys.join(".")}`,
          keys: ["spec", "pipeline", "nodes", i, ...keys],
          unknown: name,
          message: `kubectl reads the name ${name} as ${BOOLEAN[name.toLowerCase()]}; quote it: "${name}"`,
        })),
    ),
  );
}

interface Place {
  readonly node: PlaceNode;
  readonly path: string;
  readonly keys: readonly PropertyKey[];
}

/** Values that are texts here and truth values to kubectl. Tests are only read by `weir test`, which takes them for texts. */
export function unquotedValues({ file, root }: LocatedObject): Problem[] {
  const found: Problem[] = [];
  const visit = ({ node, path, keys }: Place): void => {
    const text = textOf(node, file.text) ?? "";
    if (Object.hasOwn(BOOLEAN, text.toLowerCase()) && isBare(node)) {
      const message = `kubectl reads the value ${text} as ${BOOLEAN[text.toLowerCase()]}; quote it: "${text}"`;
      found.push({ code: "SPEC_INVALID", path, keys, message });
    }
    for (const [name, field] of node.fields)
      if (path !== "spec.pipeline" || name !== "tests")
        visit({ node: field, path: path === "" ? name : `${path}.${name}`, keys: [...keys, name] });
    for (const [i, item] of node.items.entries()) {
      const name = textOf(item.fields.get("name"), file.text) ?? i;
      visit({ node: item, path: `${path}[${name}]`, keys: [...keys, i] });
    }
  };
  visit({ node: root, path: "", keys: [] });
  return found;
}

/** Neither in quotes nor in a block, here or where an alias points to, and not said to be a text by a tag. */
const isBare = ({ scalar }: PlaceNode): boolean => scalar?.style === SCALAR_STYLE.PLAIN && scalar.tagStart < 0;

/** A quoted key is found behind its quote. */
const isQuoted = (text: string, at: number | undefined): boolean =>
  at !== undefined && (text[at - 1] === '"' || text[at - 1] === "'");

function below(node: PlaceNode, keys: readonly string[]): PlaceNode | undefined {
  return keys.reduce<PlaceNode | undefined>((at, key) => at?.fields.get(key), node);
}
