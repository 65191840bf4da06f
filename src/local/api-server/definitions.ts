import { ruleProblem } from "./cel-rules.ts";
import { isMap, listAt, mapAt, textAt } from "./json-value.ts";
import type { JsonMap } from "./json-value.ts";
import type { KubeObject } from "./object.ts";
import { kubeTime } from "./object.ts";
import type { Column, Resource, ScalePaths } from "./resource.ts";
import { withObjectFields } from "./schema/prune.ts";
import type { Schema } from "./schema/structural.ts";
import type { Cause } from "./status-error.ts";

/** Custom resource definitions: what an accepted one serves, its status, and the reasons to refuse one. */

const AGE: Column & { jsonPath: string } = {
  name: "Age",
  type: "date",
  format: "",
  description: "",
  priority: 0,
  jsonPath: ".metadata.creationTimestamp",
};

function strings(parent: unknown, key: string): string[] {
  return listAt(parent, key).filter((item) => typeof item === "string");
}

function columnsOf(version: JsonMap): (Column & { jsonPath: string })[] {
  const declared = listAt(version, "additionalPrinterColumns").filter(isMap);
  if (declared.length === 0) return [AGE];
  return declared.map((column) => ({
    name: textAt(column, "name"),
    type: textAt(column, "type"),
    format: textAt(column, "format"),
    description: textAt(column, "description"),
    priority: typeof column["priority"] === "number" ? column["priority"] : 0,
    jsonPath: textAt(column, "jsonPath"),
  }));
}

function scaleOf(version: JsonMap): ScalePaths | undefined {
  const scale = mapAt(version, "subresources")["scale"];
  if (!isMap(scale)) return undefined;
  const labelSelectorPath = textAt(scale, "labelSelectorPath");
  return {
    specReplicasPath: textAt(scale, "specReplicasPath"),
    statusReplicasPath: textAt(scale, "statusReplicasPath"),
    ...(labelSelectorPath === "" ? {} : { labelSelectorPath }),
  };
}

export function resourcesOf(definition: KubeObject): Resource[] {
  const spec = definition["spec"];
  const names = mapAt(spec, "names");
  const kind = textAt(names, "kind");
  const served = listAt(spec, "versions").filter((version) => isMap(version) && version["served"] === true);
  return served.filter(isMap).map((version) => ({
    group: textAt(spec, "group"),
    version: textAt(version, "name"),
    plural: textAt(names, "plural"),
    singular: textAt(names, "singular") || kind.toLowerCase(),
    kind,
    listKind: textAt(names, "listKind") || `${kind}List`,
    shortNames: strings(names, "shortNames"),
    categories: strings(names, "categories"),
    namespaced: textAt(spec, "scope") === "Namespaced",
    custom: true,
    hasStatus: isMap(mapAt(version, "subresources")["status"]),
    scale: scaleOf(version),
    schema: withObjectFields(mapAt(mapAt(version, "schema"), "openAPIV3Schema") as Schema),
    selectableFields: listAt(version, "selectableFields").map((field) => textAt(field, "jsonPath").replace(/^\./, "")),
    columns: columnsOf(version),
    counted: true,
  }));
}

/** Defaults that the real server writes into an accepted definition. */
export function definitionWithDefaults(definition: KubeObject): KubeObject {
  const spec = mapAt(definition, "spec");
  const names = mapAt(spec, "names");
  const kind = textAt(names, "kind");
  return {
    ...definition,
    spec: {
      ...spec,
      conversion: spec["conversion"] ?? { strategy: "None" },
      names: {
        ...names,
        singular: names["singular"] ?? kind.toLowerCase(),
        listKind: names["listKind"] ?? `${kind}List`,
      },
    },
  };
}

function condition(type: string, reason: string, message: string, at: string): JsonMap {
  return { type, status: "True", lastTransitionTime: at, reason, message };
}

export function establishedStatus(definition: KubeObject, now: Date): JsonMap {
  const spec = definition["spec"];
  const at = kubeTime(now);
  const stored = listAt(spec, "versions").filter((version) => isMap(version) && version["storage"] === true);
  return {
    conditions: [
      condition("NamesAccepted", "NoConflicts", "no conflicts found", at),
      condition("Established", "InitialNamesAccepted", "the initial names have been accepted", at),
    ],
    acceptedNames: mapAt(spec, "names"),
    storedVersions: stored.map((version) => textAt(version, "name")),
  };
}

function rulesIn(schema: unknown, path: string): { rule: string; path: string }[] {
  if (Array.isArray(schema)) return schema.flatMap((item, i) => rulesIn(item, `${path}[${i}]`));
  if (!isMap(schema)) return [];
  const own = listAt(schema, "x-kubernetes-validations").map((rule, i) => ({
    rule: textAt(rule, "rule"),
    path: `${path}.x-kubernetes-validations[${i}].rule`,
  }));
  return [...own, ...Object.entries(schema).flatMap(([key, item]) => rulesIn(item, `${path}.${key}`))];
}

export function definitionCauses(definition: KubeObject): Cause[] {
  const spec = mapAt(definition, "spec");
  const expected = `${textAt(mapAt(spec, "names"), "plural")}.${textAt(spec, "group")}`;
  const name = definition.metadata.name;
  const causes: Cause[] = [];
  if (name !== expected) {
    const message = `Invalid value: ${JSON.stringify(name)}: must be spec.names.plural+"."+spec.group`;
    causes.push({ reason: "FieldValueInvalid", message, field: "metadata.name" });
  }
  const storage = listAt(spec, "versions").filter((version) => isMap(version) && version["storage"] === true);
  if (storage.length !== 1) {
    const message = `Invalid value: ${JSON.stringify(spec["versions"])}: must have exactly one version marked as storage version`;
    causes.push({ reason: "FieldValueInvalid", message, field: "spec.versions" });
  }
  for (const { rule, path } of rulesIn(listAt(spec, "versions"), "spec.versions")) {
    const problem = ruleProblem(rule);
    if (problem === undefined) continue;
    const message = `Invalid value: ${JSON.stringify(rule)}: compilation failed: ${problem}`;
    causes.push({ reason: "FieldValueInvalid", message, field: path });
  }
  return causes;
}
