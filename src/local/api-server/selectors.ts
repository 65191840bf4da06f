import { valueAt } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import type { Resource } from "./resource.ts";
import { badRequest } from "./status-error.ts";

export type Predicate = (object: KubeObject) => boolean;
type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

const KEY = String.raw`([A-Za-z0-9][-A-Za-z0-9_./]*)`;
const SET_BASED = new RegExp(String.raw`^${KEY}\s+(in|notin)\s*\(([^()]*)\)$`);
const EQUALITY = new RegExp(String.raw`^${KEY}\s*(==|=|!=)\s*([A-Za-z0-9._-]*)$`);
const EXISTS = new RegExp(String.raw`^(!?)\s*${KEY}$`);

/** Splits at commas that are not inside parentheses. */
function requirements(selector: string): string[] {
  return selector
    .split(/,(?![^(]*\))/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function labelTest(requirement: string): LabelTest {
  const set = SET_BASED.exec(requirement);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    return operator === "in"
      ? (labels) => labels[key] !== undefined && values.includes(labels[key])
      : (labels) => labels[key] === undefined || !values.includes(labels[key]);
  }
  const equality = EQUALITY.exec(requirement);
  if (equality !== null) {
    const [, key = "", operator, value = ""] = equality;
    return operator === "!=" ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const exists = EXISTS.exec(requirement);
  if (exists !== null) {
    const [, not, key = ""] = exists;
    return not === "!" ? (labels) => labels[key] === undefined : (labels) => labels[key] !== undefined;
  }
  throw badRequest(`unable to parse requirement: ${requirement}`);
}

export function labelSelector(selector: string): Predicate {
  const tests = requirements(selector).map(labelTest);
  return (object) => tests.every((test) => test(object.metadata.labels ?? {}));
}

const FIELD = /^([^=!]+?)\s*(==|=|!=)\s*(.*)$/;

function fieldText(object: KubeObject, path: string): string {
  // The two event kinds say who reported in different places; the core one is selectable as "source".
  const value = valueAt(object, path === "source" ? ["source", "component"] : path.split("."));
  if (value === undefined || value === null)
    return path === "spec.unschedulable" || path === "spec.hostNetwork" ? "false" : "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

export function fieldSelector(selector: string, resource: Resource): Predicate {
  const allowed = [
    "metadata.name",
    ...(resource.namespaced ? ["metadata.namespace"] : []),
    ...resource.selectableFields,
  ];
  const tests = requirements(selector).map((requirement): Predicate => {
    const match = FIELD.exec(requirement);
    if (match === null) throw badRequest(`invalid selector: '${selector}'; can't understand '${requirement}'`);
    const [, path = "", operator, value] = match;
    if (!allowed.includes(path)) {
      throw badRequest(
        resource.custom || resource.selectableFields.length > 0
          ? `field label not supported: ${path}`
          : `"${path}" is not a known field selector: only "metadata.name", "metadata.namespace"`,
      );
    }
    return operator === "!="
      ? (object) => fieldText(object, path) !== value
      : (object) => fieldText(object, path) === value;
  });
  return (object) => tests.every((test) => test(object));
}

/** Both selectors of a request as one test; undefined when it names neither. */
export function selection(query: URLSearchParams, resource: Resource): Predicate | undefined {
  const labels = query.get("labelSelector") ?? "";
  const fields = query.get("fieldSelector") ?? "";
  if (labels === "" && fields === "") return undefined;
  const byLabel = labelSelector(labels);
  const byField = fieldSelector(fields, resource);
  return (object) => byLabel(object) && byField(object);
}
