import type { Resource } from "./resource.ts";
import { publishedSchema } from "./schema/structural.ts";

interface Builtin {
  group?: string;
  version?: string;
  plural: string;
  kind: string;
  schema: string;
  shortNames?: string[];
  categories?: string[];
  cluster?: boolean;
  status?: boolean;
  counted?: boolean;
  selectableFields?: string[];
}

const involved = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

const table: readonly Builtin[] = [
  { plural: "configmaps", kind: "ConfigMap", schema: "io.k8s.api.core.v1.ConfigMap", shortNames: ["cm"] },
  {
    plural: "events",
    kind: "Event",
    schema: "io.k8s.api.core.v1.Event",
    shortNames: ["ev"],
    selectableFields: [...involved.map((f) => `involvedObject.${f}`), "reason", "reportingComponent", "source", "type"],
  },
  {
    plural: "namespaces",
    kind: "Namespace",
    schema: "io.k8s.api.core.v1.Namespace",
    shortNames: ["ns"],
    cluster: true,
    status: true,
    selectableFields: ["status.phase"],
  },
  {
    plural: "nodes",
    kind: "Node",
    schema: "io.k8s.api.core.v1.Node",
    shortNames: ["no"],
    cluster: true,
    status: true,
    selectableFields: ["spec.unschedulable"],
  },
  {
    plural: "persistentvolumeclaims",
    kind: "PersistentVolumeClaim",
    schema: "io.k8s.api.core.v1.PersistentVolumeClaim",
    shortNames: ["pvc"],
    status: true,
  },
  {
    plural: "pods",
    kind: "Pod",
    schema: "io.k8s.api.core.v1.Pod",
    shortNames: ["po"],
    categories: ["all"],
    status: true,
    counted: true,
    selectableFields: [
      "spec.nodeName",
      "spec.restartPolicy",
      "spec.schedulerName",
      "spec.serviceAccountName",
      "spec.hostNetwork",
      "status.phase",
      "status.podIP",
      "status.nominatedNodeName",
    ],
  },
  { plural: "secrets", kind: "Secret", schema: "io.k8s.api.core.v1.Secret", selectableFields: ["type"] },
  {
    plural: "serviceaccounts",
    kind: "ServiceAccount",
    schema: "io.k8s.api.core.v1.ServiceAccount",
    shortNames: ["sa"],
  },
  {
    plural: "services",
    kind: "Service",
    schema: "io.k8s.api.core.v1.Service",
    shortNames: ["svc"],
    categories: ["all"],
    status: true,
    selectableFields: ["spec.clusterIP", "spec.type"],
  },
  {
    group: "apiextensions.k8s.io",
    plural: "customresourcedefinitions",
    kind: "CustomResourceDefinition",
    schema: "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
    shortNames: ["crd", "crds"],
    categories: ["api-extensions"],
    cluster: true,
    status: true,
    counted: true,
  },
  { group: "coordination.k8s.io", plural: "leases", kind: "Lease", schema: "io.k8s.api.coordination.v1.Lease" },
  {
    group: "events.k8s.io",
    plural: "events",
    kind: "Event",
    schema: "io.k8s.api.events.v1.Event",
    shortNames: ["ev"],
    selectableFields: [...involved.map((f) => `regarding.${f}`), "reason", "reportingController", "type"],
  },
  {
    group: "policy",
    plural: "poddisruptionbudgets",
    kind: "PodDisruptionBudget",
    schema: "io.k8s.api.policy.v1.PodDisruptionBudget",
    shortNames: ["pdb"],
    status: true,
    counted: true,
  },
];

function resourceOf(builtin: Builtin): Resource {
  const { group = "", version = "v1", plural, kind } = builtin;
  return {
    group,
    version,
    plural,
    kind,
    singular: kind.toLowerCase(),
    listKind: `${kind}List`,
    shortNames: builtin.shortNames ?? [],
    categories: builtin.categories ?? [],
    namespaced: builtin.cluster !== true,
    custom: false,
    hasStatus: builtin.status === true,
    scale: undefined,
    schema: publishedSchema(builtin.schema),
    selectableFields: builtin.selectableFields ?? [],
    columns: [],
    counted: builtin.counted === true,
  };
}

export const builtinResources: readonly Resource[] = table.map(resourceOf);

export function builtin(plural: string, group = ""): Resource {
  const found = builtinResources.find((r) => r.plural === plural && r.group === group);
  if (found === undefined) throw new Error(`no built-in resource ${plural} in group "${group}"`);
  return found;
}
