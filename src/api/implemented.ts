import type { KindName } from "./group.ts";

/**
 * Which fields of a spec this version runs. `true` covers everything below the path, too; a text says that the field is
 * refused, and what to do; `refused` does so for single values. The longest matching path wins. A field that is on no
 * row is refused: nothing that a user writes is silently ignored. A test holds the table to the schemas both ways.
 */
export type Support = true | string | { readonly refused: Readonly<Record<string, string>> };

const NO_FLINK = "this version runs the Reactive engine only; leave it out";
const NO_CONNECTOR =
  "this version has no such connector; it has kafka, postgres, mysql and s3 (sinks; as lookups postgres, mysql, redis and http), file, datagen, stdout, blackhole and custom";
const JSON_ONLY = "this version reads and writes Json only";
const formats = { refused: { Csv: JSON_ONLY, Raw: JSON_ONLY, Avro: JSON_ONLY, Protobuf: JSON_ONLY } };

const WHOLE_SECRET = "the Secret's keys have fixed names; leave key out";

const NODE = "pipeline.nodes[]";
const others = (at: string, kinds: readonly string[]): Record<string, Support> =>
  Object.fromEntries(kinds.map((kind) => [`${at}.${kind}`, NO_CONNECTOR]));

const streamingJob: Readonly<Record<string, Support>> = {
  engine: { refused: { Flink: NO_FLINK } },
  flink: NO_FLINK,
  definitionRef: "this version has no TaskDefinition; write the pipeline into the job",
  parameters: true,
  desiredState: true,
  parallelism: true,
  maxParallelism: true,

  "pipeline.connections[].name": true,
  "pipeline.connections[].kafka": true,
  "pipeline.connections[].kafka.tls.clientSecretRef.key": WHOLE_SECRET,
  "pipeline.connections[].kafka.sasl.mechanism": {
    refused: { OAuthBearer: "this version logs in with ScramSha512, ScramSha256 or Plain" },
  },
  "pipeline.connections[].kafka.sasl.secretRef.key": WHOLE_SECRET,
  "pipeline.connections[].postgres": true,
  "pipeline.connections[].postgres.secretRef.key": WHOLE_SECRET,
  "pipeline.connections[].postgres.tls.clientSecretRef.key": WHOLE_SECRET,
  "pipeline.connections[].mysql": true,
  "pipeline.connections[].mysql.secretRef.key": WHOLE_SECRET,
  "pipeline.connections[].mysql.tls.clientSecretRef.key": WHOLE_SECRET,
  "pipeline.connections[].redis": true,
  "pipeline.connections[].redis.secretRef.key": WHOLE_SECRET,
  "pipeline.connections[].redis.tls.clientSecretRef.key": WHOLE_SECRET,
  "pipeline.connections[].http": true,
  "pipeline.connections[].http.secretRef.key": WHOLE_SECRET,
  "pipeline.connections[].http.tls.clientSecretRef.key": WHOLE_SECRET,
  "pipeline.connections[].s3": true,
  "pipeline.connections[].s3.secretRef.key": WHOLE_SECRET,
  ...others("pipeline.connections[]", ["rabbitmq", "websocket", "nats"]),
  "pipeline.functions": true,
  "pipeline.tests": true,
  [`${NODE}.name`]: true,
  [`${NODE}.from`]: true,
  [`${NODE}.source.connection`]: true,
  [`${NODE}.source.datagen`]: true,
  [`${NODE}.source.file`]: true,
  [`${NODE}.source.custom`]: true,
  [`${NODE}.source.file.format`]: formats,
  [`${NODE}.source.kafka`]: true,
  [`${NODE}.source.kafka.format`]: formats,
  ...others(`${NODE}.source`, ["http", "postgres", "mysql", "redis", "rabbitmq", "s3", "websocket", "nats"]),
  [`${NODE}.filter`]: true,
  [`${NODE}.map`]: true,
  [`${NODE}.branch`]: true,
  [`${NODE}.union`]: true,
  [`${NODE}.keyBy`]: true,
  [`${NODE}.aggregate`]: true,
  [`${NODE}.window`]: true,
  [`${NODE}.ttl`]: true,
  [`${NODE}.buffer`]: true,
  [`${NODE}.flatMap`]: true,
  [`${NODE}.select`]: true,
  [`${NODE}.drop`]: true,
  [`${NODE}.rateLimit`]: true,
  [`${NODE}.peek`]: true,
  [`${NODE}.dedup`]: true,
  [`${NODE}.process`]: true,
  [`${NODE}.topN`]: true,
  [`${NODE}.join.window`]: true,
  [`${NODE}.join.interval`]: true,
  [`${NODE}.join.type`]: true,
  [`${NODE}.join.leftKey`]: true,
  [`${NODE}.join.rightKey`]: true,
  [`${NODE}.join.select`]: true,
  [`${NODE}.join.lookup`]: true,
  [`${NODE}.join.temporal`]: true,
  [`${NODE}.broadcast`]: true,
  [`${NODE}.distinct`]: true,
  [`${NODE}.schema`]: true,
  [`${NODE}.partitionedBy`]: true,
  [`${NODE}.eventTime`]: true,
  [`${NODE}.onError`]: true,
  [`${NODE}.sink.connection`]: true,
  [`${NODE}.sink.file`]: true,
  [`${NODE}.sink.file.format`]: formats,
  [`${NODE}.sink.stdout`]: true,
  [`${NODE}.sink.stdout.format`]: formats,
  [`${NODE}.sink.blackhole`]: true,
  [`${NODE}.sink.custom`]: true,
  [`${NODE}.sink.kafka`]: true,
  [`${NODE}.sink.kafka.format`]: formats,
  [`${NODE}.sink.postgres`]: true,
  [`${NODE}.sink.mysql`]: true,
  [`${NODE}.sink.s3`]: true,
  [`${NODE}.sink.s3.format`]: { refused: { Parquet: JSON_ONLY } },
  [`${NODE}.sink.batching`]: true,
  ...others(`${NODE}.sink`, ["http", "redis", "rabbitmq", "websocket", "nats"]),

  checkpoint: true,
  "checkpoint.storage.secretRef.key": WHOLE_SECRET,
  "savepoint.uri": true,
  "savepoint.schedule": "this version takes savepoints on request and at a stop or rescale only",
  "savepoint.timeZone": "this version takes savepoints on request and at a stop or rescale only",
  "savepoint.retain": "this version keeps every savepoint",
  state: true,
  startFrom: true,
  "startFrom.snapshotRef": "this version has no StateSnapshot; name the place in startFrom.savepoint",
  stop: true,
  "upgrade.mode": true,
  "upgrade.fallback": true,
  "upgrade.rollback.enabled": { refused: { true: "this version does not roll back by itself" } },
  "upgrade.rollback.stableAfter": "this version does not roll back by itself",
  restart: true,
  "slo.maxLag": true,
  "slo.recoverWithin": "this version says whether slo.maxLag is met, and plans nothing; leave it out",
  "autoscale.mode": {
    refused: {
      Enforce: "this version scales by a ControlPolicy's rules only",
      Advise: "this version scales by a ControlPolicy's rules only",
    },
  },
  "autoscale.minParallelism": "this version scales by a ControlPolicy's rules only",
  "autoscale.maxParallelism": "this version scales by a ControlPolicy's rules only",
  "autoscale.targetUtilization": "this version scales by a ControlPolicy's rules only",
  "autoscale.catchUp": "this version scales by a ControlPolicy's rules only",
  "autoscale.stabilization": "this version scales by a ControlPolicy's rules only",
  "autoscale.scaleToZero": "this version scales by a ControlPolicy's rules only",
  controlPolicy: "this version reads policies from ControlPolicy objects only",
  "deletion.mode": true,
  "deletion.timeout": true,
  "deletion.keepSnapshots": { refused: { false: "this version keeps every savepoint" } },
  worker: true,
};

const controlPolicy: Readonly<Record<string, Support>> = {
  jobs: true,
  selector: true,
  mode: true,
  priority: true,
  "rules[].name": true,
  "rules[].condition": true,
  "rules[].clearCondition": true,
  "rules[].for": true,
  "rules[].action": true,
  "rules[].params": true,
  "rules[].cooldown": true,
  "rules[].onMissingData": true,
  "rules[].verify": "this version does not check an action afterwards",
  stopWhen: true,
  restartWhen: true,
  limits: true,
  windows: "this version has no windows in policies; use a MaintenanceWindow",
};

const maintenanceWindow: Readonly<Record<string, Support>> = {
  jobs: true,
  selector: true,
  schedule: true,
  duration: true,
  timeZone: true,
  suspend: true,
  start: true,
  end: true,
};

export const IMPLEMENTED: Readonly<Record<KindName, Readonly<Record<string, Support>>>> = {
  StreamingJob: streamingJob,
  ControlPolicy: controlPolicy,
  MaintenanceWindow: maintenanceWindow,
};
