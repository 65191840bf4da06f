/** Every port that a process of Weir listens on. NetworkPolicies, probes and monitors name no other. */

/** A worker's control API, probes and metrics. Each call of the control API carries the worker's own token. */
export const WORKER_PORT = 8080;
/** The operator's probes and metrics. */
export const OPERATOR_PORT = 8081;
