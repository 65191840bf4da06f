import { z } from "zod";
import { url } from "./connection.schema.ts";
import { quantity } from "./quantity.ts";
import { configMapKeyRef, objectRef } from "./reference.schema.ts";
import { exactlyOne, rules } from "./rule.ts";
import { filled, int, list, text, textMap } from "./text.ts";

/** A program for Apache Flink. Every field is part of the API; this version of Weir does not run Flink jobs yet. */

const sha256 = z
  .string()
  .max(64)
  .regex(/^[0-9a-f]{64}$/, "must be the SHA-256 of the file in lower-case hex");
const script = (field: string) =>
  rules(z.strictObject({ [field]: filled(65_536).optional(), configMapRef: configMapKeyRef.optional() }), [
    exactlyOne([field, "configMapRef"], "the text of the program"),
  ]);

const program = rules(
  z.strictObject({
    jar: z
      .strictObject({
        uri: url,
        sha256: sha256.optional(),
        entryClass: filled(512).optional(),
        args: list(text(2048), 100).optional(),
      })
      .optional(),
    sql: script("script").optional(),
    seatunnel: script("config").optional(),
    /** Compile spec.pipeline to Flink SQL. */
    pipeline: z.literal(true).optional(),
  }),
  [exactlyOne(["jar", "sql", "seatunnel", "pipeline"], "a Flink program")],
);

const cpu = quantity;
export const flink = rules(
  z.strictObject({
    version: z
      .string()
      .max(16)
      .regex(/^(1\.(1[7-9]|20)|2\.[0-9]+)$/, "must be a Flink version from 1.17 to 2.x, such as 2.1"),
    deployment: z.enum(["Application", "Session"]).optional(),
    sessionRef: objectRef.optional(),
    image: filled(512).optional(),
    program: program.optional(),
    jars: list(z.strictObject({ uri: url, sha256: sha256.optional() }), 32).optional(),
    configuration: textMap(256, 2048).optional(),
    jobManager: z
      .strictObject({
        memory: quantity.optional(),
        cpu: cpu.optional(),
        highAvailability: z.enum(["None", "Kubernetes"]).optional(),
      })
      .optional(),
    taskManager: z
      .strictObject({ memory: quantity.optional(), cpu: cpu.optional(), slots: int(1, 128).optional() })
      .optional(),
  }),
  [
    {
      cel: "(has(self.deployment) && self.deployment == 'Session') == has(self.sessionRef)",
      message: "deployment: Session needs sessionRef, and only it takes one",
      holds: (f) => (f.deployment === "Session") === (f.sessionRef !== undefined),
    },
  ],
);
export type FlinkSpec = z.infer<typeof flink>;
