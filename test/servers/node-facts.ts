/** What a test needs to know of the real node; plain data, because it is handed from the runner's process to the tests'. */
export interface NodeFacts {
  readonly kubeconfigPath: string;
  /** The number of `make cluster-up`; undefined on KinD, where nothing can be done to the node itself. */
  readonly cluster: number | undefined;
  readonly image: { readonly repository: string; readonly tag: string };
  /** Where pods reach servers of this machine that listen there; undefined on KinD. */
  readonly hostAddress: string | undefined;
  /** One JSON line for each call of anyone but Kubernetes' own parts; undefined on KinD. */
  readonly auditLog: string | undefined;
  /** Folder of the volumes. */
  readonly volumes: string;
  /** Seconds that `make cluster-up` took, from binaries in the cache; undefined for a cluster that was up before. */
  readonly upSeconds: number | undefined;
}

declare module "vitest" {
  interface ProvidedContext {
    node: NodeFacts;
  }
}
