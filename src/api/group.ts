/** Names that the cluster sees. Everything Weir writes on or looks for in Kubernetes objects is spelled here once. */
export const GROUP = "weir.dev";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}` as const;

/** How a kind is addressed. */
export interface KindNames {
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
}

export const KINDS = {
  StreamingJob: { kind: "StreamingJob", plural: "streamingjobs", singular: "streamingjob", shortNames: ["sj"] },
  ControlPolicy: { kind: "ControlPolicy", plural: "controlpolicies", singular: "controlpolicy", shortNames: ["cpol"] },
  MaintenanceWindow: {
    kind: "MaintenanceWindow",
    plural: "maintenancewindows",
    singular: "maintenancewindow",
    shortNames: ["mw"],
  },
} as const satisfies Record<string, KindNames>;
export type KindName = keyof typeof KINDS;

/** Labels on everything Weir creates for a job. */
export const LABEL = {
  job: "weir.dev/job",
  epoch: "weir.dev/epoch",
  slot: "weir.dev/slot",
  attempt: "weir.dev/attempt",
  component: "weir.dev/component",
  managedBy: "app.kubernetes.io/managed-by",
  appName: "app.kubernetes.io/name",
  appComponent: "app.kubernetes.io/component",
} as const;
export const MANAGED_BY = "weir";

/** Annotations a user may set on a StreamingJob. Verbs are handled once per new value; the outcome is in status.requests. */
export const ANNOTATION = {
  start: "weir.dev/start",
  startFrom: "weir.dev/start-from",
  stop: "weir.dev/stop",
  restart: "weir.dev/restart",
  restartFrom: "weir.dev/restart-from",
  scale: "weir.dev/scale",
  savepoint: "weir.dev/savepoint",
  pause: "weir.dev/pause",
  resume: "weir.dev/resume",
  pauseReconciliation: "weir.dev/pause-reconciliation",
  forceDelete: "weir.dev/force-delete",
  /** On every kind: look at the object now. The value is echoed in status.lastHandledReconcileAt, as Flux does it. */
  requestedAt: "reconcile.weir.dev/requestedAt",
} as const;
/** The annotations that ask for something once per new value. */
export const VERBS = ["start", "stop", "restart", "scale", "savepoint", "pause", "resume"] as const;
export type Verb = (typeof VERBS)[number];

/** Keeps a job until its workers are gone and its last savepoint is safe. */
export const FINALIZER = "weir.dev/job";

export const FIELD_MANAGER = { children: "weir", status: "weir-status" } as const;
