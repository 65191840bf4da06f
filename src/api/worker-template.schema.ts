import { z } from "zod";
import { duration } from "./duration.ts";
import { quantity } from "./quantity.ts";
import { configMapKeyRef, objectRef, secretKeyRef } from "./reference.schema.ts";
import { exactlyOne, byName, rules } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { filled, int, list, mapOf, objectName, preserved, text, textMap } from "./text.ts";

/** What a user may say about worker pods. The merged pod must still satisfy restricted Pod Security: the operator checks. */

/** RE2 and JavaScript write "any case" differently, so both cases are spelled out. */
const WORDS = "password|passwd|secret|api_?key|access_?key|token";
const SECRET_NAME = `(${WORDS}|${WORDS.toUpperCase()})$`;
const noInlineSecret: Rule<{ name: string; value?: string | undefined }> = {
  cel: `!has(self.value) || !self.name.matches('${SECRET_NAME}')`,
  message: "a credential does not belong in a job: use valueFrom.secretKeyRef",
  holds: (e) => e.value === undefined || !new RegExp(SECRET_NAME).test(e.name),
};
const env = rules(
  z.strictObject({
    name: z
      .string()
      .max(256)
      .regex(/^[A-Za-z_][A-Za-z0-9_.-]*$/, "must be the name of an environment variable"),
    value: text(4096).optional(),
    valueFrom: rules(
      z.strictObject({ secretKeyRef: secretKeyRef.optional(), configMapKeyRef: configMapKeyRef.optional() }),
      [exactlyOne(["secretKeyRef", "configMapKeyRef"], "valueFrom")],
    ).optional(),
  }),
  [exactlyOne(["value", "valueFrom"], "an environment variable"), noInlineSecret],
);

const resourceList = mapOf(quantity, 16);
const toleration = z.strictObject({
  key: text(316).optional(),
  operator: z.enum(["Exists", "Equal"]).optional(),
  value: text(63).optional(),
  effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).optional(),
  tolerationSeconds: int(0, 2 ** 31 - 1).optional(),
});

export const workerTemplate = z.strictObject({
  image: filled(512).optional(),
  imagePullSecrets: list(objectRef, 8).optional(),
  serviceAccountName: objectName.optional(),
  resources: z.strictObject({ requests: resourceList.optional(), limits: resourceList.optional() }).optional(),
  env: byName(list(env, 100)).optional(),
  volumes: list(preserved, 32).optional(),
  volumeMounts: list(
    z.strictObject({
      name: filled(63),
      mountPath: filled(1024),
      subPath: text(1024).optional(),
      readOnly: z.boolean().optional(),
    }),
    32,
  ).optional(),
  labels: textMap(64, 63).optional(),
  annotations: textMap(64, 4096).optional(),
  nodeSelector: textMap(32, 63).optional(),
  tolerations: list(toleration, 32).optional(),
  affinity: preserved.optional(),
  topologySpreadConstraints: list(preserved, 16).optional(),
  priorityClassName: objectName.optional(),
  terminationGracePeriod: duration.optional(),
});
export type WorkerTemplate = z.infer<typeof workerTemplate>;
