import { WeirError, messageOf } from "../errors.ts";
import type { KubeObject } from "../kube/resource.ts";
import { readYaml } from "../yaml/read-yaml.ts";
import type { YamlDocument } from "../yaml/read-yaml.ts";

/** What a file of manifests may have. */
export const MAX_MANIFEST_BYTES = 1024 * 1024;

/** The objects of a YAML file as kubectl reads them: several documents, empty ones left out, JSON's types only. */
export function parseManifests(text: string, file: string): KubeObject[] {
  if (Buffer.byteLength(text) > MAX_MANIFEST_BYTES) throw new WeirError("SPEC_INVALID", `${file} is larger than 1 MiB`);
  return documentsOf(text, file)
    .map((document) => document.value)
    .filter((value) => value !== null)
    .map((value, i) => {
      if (isObject(value)) return value;
      throw new WeirError("SPEC_INVALID", `${file}: document ${i + 1} has no apiVersion, kind and metadata.name`);
    });
}

function documentsOf(text: string, file: string): YamlDocument[] {
  try {
    return readYaml(text);
  } catch (e) {
    throw new WeirError("SPEC_INVALID", `${file} ${messageOf(e)}`, { cause: e });
  }
}

function isObject(value: unknown): value is KubeObject {
  if (typeof value !== "object" || value === null || !("apiVersion" in value) || !("kind" in value)) return false;
  const metadata: unknown = "metadata" in value ? value.metadata : undefined;
  return typeof metadata === "object" && metadata !== null && "name" in metadata;
}
