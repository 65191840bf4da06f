import { z } from "zod";
import { operatorConfig } from "../../../src/main/operator-config.ts";

const { leaderElection, logLevel, worker, reconcile, kubernetes, workerCalls } = operatorConfig.shape;
const { imagePullPolicy } = worker.unwrap().shape;
const userId = z.int().min(1).nullable();

/** The operator's configuration, without what the chart itself knows: namespaces, addresses, paths and the claim. */
export const configValues = z
  .strictObject({
    logLevel,
    leaderElection: leaderElection.describe("One replica works, the others wait with warm caches."),
    worker: worker
      .unwrap()
      .omit({ stateClaim: true })
      .extend({
        imagePullPolicy: imagePullPolicy.describe("Default: `image.pullPolicy` for the operator's own image."),
        // Helm takes a default away for null, so each has its own.
        podSecurityContext: z
          .strictObject({
            runAsUser: userId.default(65532).describe("User of the worker."),
            runAsGroup: userId.default(65532).describe("Its group."),
            fsGroup: userId.default(65532).describe("Group that the state volume is given to."),
          })
          .prefault({})
          .describe("User and groups of worker pods; null leaves one to the platform, as OpenShift needs it."),
        image: z.string().max(512).default("").describe("For jobs that name none. Empty: the operator's own image."),
      })
      .prefault({})
      .describe("What jobs get that say nothing else."),
    reconcile: reconcile.describe("How much is done at once."),
    kubernetes: kubernetes.describe("Calls of the API server."),
    workerCalls: workerCalls.describe("Calls of workers."),
  })
  .describe("The operator's configuration. It checks it at start, and logs it once.");
