import type { z } from "zod";
import { controlPolicySpec, controlPolicyStatus } from "./control-policy.schema.ts";
import { GROUP, KINDS, VERSION } from "./group.ts";
import type { KindName } from "./group.ts";
import { maintenanceWindowSpec, maintenanceWindowStatus } from "./maintenance-window.schema.ts";
import { toOpenApi } from "./openapi.ts";
import type { OpenApiSchema } from "./openapi.ts";
import { streamingJobStatus } from "./streaming-job-status.schema.ts";
import { streamingJobSpec } from "./streaming-job.schema.ts";

/** CustomResourceDefinitions of the kinds, made from their schemas. */

export interface PrinterColumn {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly jsonPath: string;
  readonly priority?: number;
  readonly description?: string;
}

export interface CrdVersion {
  readonly name: string;
  readonly served: boolean;
  readonly storage: boolean;
  readonly schema: { readonly openAPIV3Schema: OpenApiSchema };
  readonly subresources: {
    readonly status: Record<string, never>;
    readonly scale?: { specReplicasPath: string; statusReplicasPath: string; labelSelectorPath: string };
  };
  readonly additionalPrinterColumns: readonly PrinterColumn[];
  readonly selectableFields?: readonly { jsonPath: string }[];
}

export interface CustomResourceDefinition {
  readonly apiVersion: "apiextensions.k8s.io/v1";
  readonly kind: "CustomResourceDefinition";
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly group: string;
    readonly scope: "Namespaced";
    readonly names: {
      kind: string;
      listKind: string;
      plural: string;
      singular: string;
      shortNames: readonly string[];
      categories: readonly string[];
    };
    readonly versions: readonly CrdVersion[];
  };
}

const condition = (type: string, field: string) => `.status.conditions[?(@.type=="${type}")].${field}`;
const column = (name: string, type: PrinterColumn["type"], jsonPath: string, priority = 0): PrinterColumn =>
  priority === 0 ? { name, type, jsonPath } : { name, type, jsonPath, priority };
const age = column("Age", "date", ".metadata.creationTimestamp");

interface KindDefinition {
  readonly description: string;
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  readonly scale?: NonNullable<CrdVersion["subresources"]["scale"]>;
  readonly selectable?: readonly string[];
}

const DEFINITIONS: Record<KindName, KindDefinition> = {
  StreamingJob: {
    description: "A streaming job: what runs, at which parallelism, and how its state is kept safe.",
    spec: streamingJobSpec,
    status: streamingJobStatus,
    columns: [
      column("State", "string", ".status.state"),
      column("Ready", "string", condition("Ready", "status")),
      column("Engine", "string", ".status.engine"),
      column("Parallelism", "integer", ".status.parallelism.effective"),
      column("Lag", "integer", ".status.lag.records"),
      column("Checkpoint", "date", ".status.checkpoint.completedAt"),
      age,
      column("Restarts", "integer", ".status.restarts.count", 1),
      column("Reason", "string", condition("Ready", "reason"), 1),
      column("Message", "string", condition("Ready", "message"), 1),
    ],
    scale: {
      specReplicasPath: ".spec.parallelism",
      statusReplicasPath: ".status.readyWorkers",
      labelSelectorPath: ".status.selector",
    },
    selectable: [".spec.engine", ".status.state"],
  },
  ControlPolicy: {
    description: "Rules that scale, stop, start or restart jobs when their events say so.",
    spec: controlPolicySpec,
    status: controlPolicyStatus,
    columns: [
      column("Mode", "string", ".spec.mode"),
      column("Jobs", "integer", ".status.matchedJobs"),
      column("Ready", "string", condition("Ready", "status")),
      age,
      column("Reason", "string", condition("Ready", "reason"), 1),
      column("Message", "string", condition("Ready", "message"), 1),
    ],
  },
  MaintenanceWindow: {
    description: "A time during which the selected jobs should make way, once or repeated.",
    spec: maintenanceWindowSpec,
    status: maintenanceWindowStatus,
    columns: [
      column("Active", "boolean", ".status.active"),
      column("Next", "string", ".status.nextStart"),
      column("Ends", "string", ".status.nextEnd"),
      column("Ready", "string", condition("Ready", "status")),
      age,
      column("Message", "string", condition("Ready", "message"), 1),
    ],
  },
};

/** The schema of a whole object, as it stands in the CRD. */
export function objectSchema(kind: KindName): OpenApiSchema {
  const { description, spec, status } = DEFINITIONS[kind];
  return {
    type: "object",
    description,
    required: ["spec"],
    properties: {
      apiVersion: { type: "string" },
      kind: { type: "string" },
      metadata: { type: "object" },
      spec: toOpenApi(spec),
      // kstatus calls an object without any status Current: a new one would look ready before anybody saw it.
      status: { ...toOpenApi(status), default: { observedGeneration: -1 } },
    },
  };
}

export function crd(kind: KindName): CustomResourceDefinition {
  const { columns, scale, selectable } = DEFINITIONS[kind];
  const names = KINDS[kind];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${names.plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: "Namespaced",
      names: { ...names, listKind: `${kind}List`, categories: ["weir"] },
      versions: [
        {
          name: VERSION,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: objectSchema(kind) },
          subresources: scale === undefined ? { status: {} } : { status: {}, scale },
          additionalPrinterColumns: columns,
          ...(selectable === undefined ? {} : { selectableFields: selectable.map((jsonPath) => ({ jsonPath })) }),
        },
      ],
    },
  };
}

export function allCrds(): CustomResourceDefinition[] {
  return (Object.keys(DEFINITIONS) as KindName[]).map(crd);
}
