import type { Cluster } from "./cluster.ts";
import { keyOf } from "./conversion.ts";
import { resourcesOf } from "./definitions.ts";
import { builtin } from "./builtin-resources.ts";
import { mapAt, textAt } from "./json-value.ts";

/** Serves what the stored definitions define, from the write that installs one to the write that removes it. */
export function followDefinitions(cluster: Cluster): () => void {
  const key = keyOf(builtin("customresourcedefinitions", "apiextensions.k8s.io"));
  return cluster.store.subscribe((change) => {
    if (change.key !== key) return;
    const { name } = change.object.metadata;
    if (change.type !== "DELETED") {
      cluster.catalogue.serve(name, resourcesOf(change.object));
      return;
    }
    cluster.catalogue.withdraw(name);
    const spec = change.object["spec"];
    const orphaned = `${textAt(spec, "group")}/${textAt(mapAt(spec, "names"), "plural")}`;
    for (const object of cluster.store.list(orphaned)) cluster.store.remove(orphaned, object);
  });
}
