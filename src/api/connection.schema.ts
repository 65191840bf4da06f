import { z } from "zod";
import { configMapKeyRef, secretKeyRef, secretRef } from "./reference.schema.ts";
import { exactlyOne, never, rules } from "./rule.ts";
import type { Rule } from "./rule.ts";
import { filled, int, list, localName, text } from "./text.ts";

const NO_PASSWORD = "a password does not belong in a job: put it in a Secret and name it in secretRef";
const noPassword = never("password", NO_PASSWORD);

/** `scheme://user:password@host` would put a password into the spec. */
export const noUserInfo: Rule<string> = {
  cel: "!self.matches('^[A-Za-z0-9+.-]+://[^/@]*@')",
  message: "a URL must not carry a user or password: put them in a Secret and name it in secretRef",
  holds: (url) => !/^[A-Za-z0-9+.-]+:\/\/[^/@]*@/.test(url),
};
export const url = rules(
  z
    .string()
    .max(1024)
    .regex(/^[a-z][a-z0-9+.-]*:\/\/.+$/, "must be a URL"),
  [noUserInfo],
);

const tls = z.strictObject({
  /** CA bundle in PEM; without it the system's. */
  caRef: configMapKeyRef.optional(),
  caSecretRef: secretKeyRef.optional(),
  /** Secret with tls.crt and tls.key for mutual TLS. */
  clientSecretRef: secretRef.optional(),
  insecureSkipVerify: z.boolean().optional(),
});

const host = filled(253);
const port = int(1, 65535);
const password = text(256).optional();

const kafka = z.strictObject({
  brokers: list(
    z
      .string()
      .max(260)
      .regex(/^(\[[0-9a-fA-F:.]+\]|[^\s,:/@[\]]+):[0-9]{1,5}$/, "must be host:port"),
    32,
    1,
  ),
  tls: tls.optional(),
  sasl: rules(
    z.strictObject({
      mechanism: z.enum(["Plain", "ScramSha256", "ScramSha512", "OAuthBearer"]),
      /** Secret with the keys `username` and `password` (OAuthBearer: `token`). */
      secretRef,
      password,
    }),
    [noPassword],
  ).optional(),
});

/** Secret with the keys `username` and `password`. */
const credentials = { secretRef: secretRef.optional(), password, tls: tls.optional() };
const sql = rules(z.strictObject({ host, port: port.optional(), database: filled(128), ...credentials }), [noPassword]);
const broker = rules(z.strictObject({ host, port: port.optional(), ...credentials }), [noPassword]);
const endpoint = rules(z.strictObject({ url, ...credentials }), [noPassword]);

export const CONNECTION_KINDS = [
  "kafka",
  "postgres",
  "mysql",
  "redis",
  "rabbitmq",
  "s3",
  "http",
  "websocket",
  "nats",
] as const;
export type ConnectionKind = (typeof CONNECTION_KINDS)[number];

export const connection = rules(
  z.strictObject({
    name: localName,
    kafka: kafka.optional(),
    postgres: sql.optional(),
    mysql: sql.optional(),
    redis: broker.optional(),
    rabbitmq: broker.optional(),
    s3: z
      .strictObject({
        bucket: filled(63),
        endpoint: url.optional(),
        region: text(64).optional(),
        secretRef: secretRef.optional(),
      })
      .optional(),
    http: endpoint.optional(),
    websocket: endpoint.optional(),
    nats: endpoint.optional(),
  }),
  [exactlyOne(CONNECTION_KINDS, "a connection")],
);
export type Connection = z.infer<typeof connection>;
