import { CORE_SCHEMA, loadAll } from "js-yaml";
import { WeirError, messageOf } from "../errors.ts";
import type { KubeObject } from "../kube/resource.ts";

const MAX_BYTES = 1024 * 1024;
/** A file of 1 MiB without aliases can hold more in theory only. */
const MAX_VALUES = 200_000;

/** The objects of a YAML file as kubectl reads them: several documents, empty ones left out, JSON's types only. */
export function parseManifests(text: string, file: string): KubeObject[] {
  if (Buffer.byteLength(text) > MAX_BYTES) throw new WeirError("SPEC_INVALID", `${file} is larger than 1 MiB`);
  let documents: unknown[];
  try {
    documents = loadAll(text, { schema: CORE_SCHEMA, filename: file });
  } catch (e) {
    throw new WeirError("SPEC_INVALID", `${file} is not YAML: ${messageOf(e)}`, { cause: e });
  }
  if (documents.reduce<number>((left, d) => valuesLeft(d, left), MAX_VALUES) <= 0) {
    throw new WeirError(
      "SPEC_INVALID",
      `${file} expands to more than ${MAX_VALUES} values by its aliases (*name); write out what they stand for`,
    );
  }
  return documents
    .filter((d) => d !== null && d !== undefined)
    .map((d, i) => {
      if (isObject(d)) return d;
      throw new WeirError("SPEC_INVALID", `${file}: document ${i + 1} has no apiVersion, kind and metadata.name`);
    });
}

/** An alias is the same object again: small in memory, but not for anybody who walks over it. */
function valuesLeft(value: unknown, left: number): number {
  if (left <= 0 || typeof value !== "object" || value === null) return left - 1;
  let rest = left - 1;
  for (const child of Object.values(value)) {
    rest = valuesLeft(child, rest);
    if (rest <= 0) return 0;
  }
  return rest;
}

function isObject(value: unknown): value is KubeObject {
  if (typeof value !== "object" || value === null || !("apiVersion" in value) || !("kind" in value)) return false;
  const metadata: unknown = "metadata" in value ? value.metadata : undefined;
  return typeof metadata === "object" && metadata !== null && "name" in metadata;
}
