import { GROUP } from "../../api/group.ts";
import { MAX_MANIFEST_BYTES } from "../../local/manifests.ts";
import { isWeirError } from "../../errors.ts";
import type { Problem } from "../../api/problem.ts";
import { findKeys, findPath, findScalar, pathBelow, startOf, textOf } from "../../yaml/find-place.ts";
import { lineColumn } from "../../yaml/line-column.ts";
import type { LineColumn } from "../../yaml/line-column.ts";
import type { PlaceNode } from "../../yaml/place-tree.ts";
import { readYaml } from "../../yaml/read-yaml.ts";
import { scalarOffset } from "../../yaml/scalar-offset.ts";
import type { Finding } from "./finding.ts";
import type { TextFile } from "./read-files.ts";

/** An object of a file, with what is needed to say where something of it is. */
export interface LocatedObject {
  readonly file: TextFile;
  readonly value: Readonly<Record<string, unknown>>;
  readonly root: PlaceNode;
}

/** The objects of a file; items of a List are objects of their own, as for kubectl. A file that is no YAML is one finding. */
export function objectsOf(file: TextFile): { objects: LocatedObject[]; findings: Finding[] } {
  const cut = file.text.startsWith("\uFEFF") ? 1 : 0;
  const bare = { ...file, text: file.text.slice(cut) };
  const problem = (offset: number, message: string): Finding => ({
    ...lineColumn(bare.text, offset),
    file: file.name,
    severity: "error",
    code: "SPEC_INVALID",
    object: null,
    path: "",
    message,
  });
  if (Buffer.byteLength(bare.text) > MAX_MANIFEST_BYTES)
    return { objects: [], findings: [problem(0, "the file is larger than 1 MiB; split it")] };
  if (file.notUtf8 !== undefined)
    return {
      objects: [],
      findings: isOthers(file)
        ? []
        : [problem(file.notUtf8 - cut, "this character is not UTF-8; save the file as UTF-8")],
    };
  const objects: LocatedObject[] = [];
  const findings: Finding[] = [];
  try {
    const documents = readYaml(bare.text).filter((document) => document.value !== null);
    for (const item of documents.flatMap(({ value, root }) => itemsOf(value, root()))) {
      if (isObject(item.value)) objects.push({ file: bare, value: item.value, root: item.root });
      else if (file.found !== true)
        findings.push(problem(item.root.start, "this is no object: it needs apiVersion, kind and metadata.name"));
    }
  } catch (e) {
    if (!isWeirError(e) || e.place === undefined) throw e;
    findings.push(problem(e.place.offset ?? 0, e.place.message));
  }
  return { objects, findings };
}

/** Of another tool, below a folder that was named. Of two bytes a character, every other one is a zero where it is Latin. */
const isOthers = ({ found, text }: TextFile): boolean =>
  found === true && !text.replaceAll("\0", "").includes(`${GROUP}/`);

function itemsOf(value: unknown, root: PlaceNode): { value: unknown; root: PlaceNode }[] {
  const { kind, apiVersion, items } = value as { kind?: unknown; apiVersion?: unknown; items?: unknown };
  if (kind !== "List" || apiVersion !== "v1" || !Array.isArray(items)) return [{ value, root }];
  const places = root.fields.get("items")?.items ?? [];
  return items.map((item: unknown, i) => ({ value: item, root: places[i] ?? root }));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === "object" &&
    value !== null &&
    "kind" in value &&
    typeof value.kind === "string" &&
    "apiVersion" in value &&
    typeof value.apiVersion === "string"
  );
}

/** Where a problem is in its file, and the path as exactly as it is known. */
export function placeOf(
  object: LocatedObject,
  problem: Omit<Problem, "code" | "message">,
): LineColumn & { path: string } {
  const { path, expression } = problem;
  const { text } = object.file;
  const node = nodeOf(object, problem);
  const found = expression === undefined ? undefined : expressionBelow(node, expression.text, text);
  if (found?.node.scalar === undefined || expression === undefined)
    return { ...lineColumn(text, problem.unknown === undefined ? startOf(node) : (node.key ?? node.start)), path };
  const before = (textOf(found.node, text) ?? "").indexOf(expression.text);
  const at = scalarOffset(text, found.node.scalar, before + expression.offset);
  return { ...lineColumn(text, at), path: pathBelow(path, found.keys) };
}

function nodeOf({ file, root }: LocatedObject, { path, keys, unknown }: Omit<Problem, "code" | "message">): PlaceNode {
  const { node } = keys === undefined ? findPath(root, path, file.text) : findKeys(root, keys);
  return unknown === undefined ? node : (node.fields.get(unknown) ?? node);
}

/** The field that has the expression for its text, or else in it, as `max(…)` has. */
function expressionBelow(node: PlaceNode, expression: string, source: string) {
  return (
    findScalar(node, (written) => written === expression, source) ??
    findScalar(node, (written) => written.includes(expression), source)
  );
}
