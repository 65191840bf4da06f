import { describe, expect, it } from "vitest";
import { datagenJob } from "../../../test/builders/datagen-job.ts";
import { handWritten, samples } from "../../../test/fixtures/api/corpus.ts";
import launchHashes from "../../../test/fixtures/api/v1alpha1/launch-hashes.json" with { type: "json" };
import { planJob } from "./planned-job.ts";
import type { PodTemplate } from "./worker-pod.ts";
import { jobLabel, podTemplate, workerPod } from "./worker-pod.ts";

const planned = (spec: object = {}) => planJob(datagenJob("j", spec).spec);

function template(spec: object = {}): PodTemplate {
  const { effective, plan, refusal } = planned(spec);
  if (effective === undefined || plan === undefined) throw new Error(refusal?.message);
  return podTemplate("j", effective, plan, { image: "weir:1", stateClaim: "weir-state" });
}

describe("a planned job", () => {
  it("has the same launch hash until something changes that needs a relaunch", () => {
    const hash = planned().spec?.launchHash;
    expect(planned({ parallelism: 3, desiredState: "Stopped" }).spec?.launchHash).toBe(hash);
    expect(planned({ worker: { labels: { a: "b" } } }).spec?.launchHash).not.toBe(hash);
    expect(planned().spec?.planHash).toBe(planned().plan?.hash);
  });

  it("has the same hash where a default is written out, and another one for each other wish", () => {
    const hash = planned().spec?.specHash;
    expect(planned({ desiredState: "Running", stop: { drain: false } }).spec?.specHash).toBe(hash);
    expect(planned({ parallelism: 3 }).spec?.specHash).not.toBe(hash);
    expect(planned({ stop: { drain: true } }).spec?.specHash).not.toBe(hash);
  });

  it("has the launch hash that the first version gave it: another one would restart every job at an upgrade", () => {
    const jobs = [...handWritten("accepted").map((c) => c.object), ...samples()];
    const hashes = jobs.flatMap(({ kind, metadata, spec }) =>
      kind === "StreamingJob" ? [[metadata.name, planJob(spec).spec?.launchHash]] : [],
    );
    expect(Object.fromEntries(hashes)).toMatchObject(launchHashes);
  });

  it("keeps keys for as long as state.ttl says, and starts anew from a savepoint when that changes", () => {
    const pipeline = {
      nodes: [
        { name: "events", source: { datagen: {} } },
        { name: "once", from: ["events"], keyBy: "event.tenant", dedup: {} },
        { name: "out", from: ["once"], sink: { blackhole: {} } },
      ],
    };
    const day = planned({ pipeline, state: { ttl: "24h" } });
    expect(day.plan?.nodes).toMatchObject([{ name: "once", ttlMs: 24 * 3_600_000 }]);
    const none = planned({ pipeline });
    expect(none.plan?.nodes).toMatchObject([{ name: "once", ttlMs: 0 }]);
    expect(day.spec?.launchHash).not.toBe(none.spec?.launchHash);
    expect(planned({ pipeline, state: { ttl: "0" } }).refusal?.message).toContain("spec.state.ttl: must be longer");
  });

  it("is refused with the words of the check that failed, and can still be read", () => {
    const { refusal, spec } = planned({ slo: { recoverWithin: "10m" } });
    expect(refusal?.reason).toBe("NotImplemented");
    expect(refusal?.message).toContain("spec.slo.recoverWithin");
    expect(spec).toBeDefined();
  });

  it("cannot be read at all when its schema is broken", () => {
    const { refusal, spec } = planJob({ pipeline: { nodes: [{ name: "a", from: ["b"], fliter: "true" }] } });
    expect(refusal).toMatchObject({
      reason: "InvalidSpec",
      message: 'spec.pipeline.nodes[a]: unknown field "fliter"; did you mean "filter"?',
    });
    expect(spec).toBeUndefined();
  });

  it("refuses a checkpoint folder that no volume holds, and a volume of the host", () => {
    const storage = { uri: "file:///data/state" };
    expect(planned({ checkpoint: { storage } }).refusal?.message).toContain("would be lost with the pod");
    const worker = { volumes: [{ name: "d", hostPath: { path: "/" } }] };
    expect(planned({ worker }).refusal?.message).toContain("hostPath is not allowed");
  });

  it("refuses a bucket without credentials, wherever it is named", () => {
    const refusal = {
      reason: "InvalidSpec",
      message: expect.stringContaining("spec.checkpoint.storage.secretRef: s3://b/x needs credentials") as string,
    };
    const storage = { uri: "s3://b/x" };
    expect(planned({ checkpoint: { storage } }).refusal).toMatchObject(refusal);
    expect(planned({ savepoint: storage }).refusal).toMatchObject(refusal);
    expect(planned({ stop: { savepointDir: "s3://b/x" } }).refusal).toMatchObject(refusal);
    expect(planned({ checkpoint: { storage: { ...storage, secretRef: { name: "s3" } } } }).refusal).toBeUndefined();
  });
});

describe("a worker template", () => {
  it.each([
    ["a variable of Weir's", { env: [{ name: "WEIR_SECRETS_DIR", value: "/x" }] }, "WEIR_SECRETS_DIR"],
    ["a mount over the plan", { volumeMounts: [{ name: "v", mountPath: "/etc/weir/plan/" }] }, "/etc/weir"],
    ["a mount over its folder", { volumeMounts: [{ name: "v", mountPath: "/etc//./weir" }] }, "/etc/weir"],
    ["a mount over everything", { volumeMounts: [{ name: "v", mountPath: "/" }] }, "/etc/weir"],
    ["a mount that climbs out", { volumeMounts: [{ name: "v", mountPath: "/data/../etc/weir" }] }, "mountPath"],
    ["a mount of Weir's volume", { volumeMounts: [{ name: "weir-plan", mountPath: "/x" }] }, "weir-plan"],
    [
      "a service account's token",
      { volumes: [{ name: "v", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } }] },
      "serviceAccountToken",
    ],
    [
      "an AppArmor profile",
      { annotations: { "container.apparmor.security.beta.kubernetes.io/worker": "unconfined" } },
      "apparmor",
    ],
  ])("is refused with %s", (_what, worker, named) => {
    const { refusal } = planned({ worker });
    expect(refusal?.reason).toBe("InvalidSpec");
    expect(refusal?.message).toContain(named);
  });

  it.each([
    ["/tmp/weir-state", undefined],
    ["/tmp/weir-state/", undefined],
    ["/tmp/weir-state/rocksdb", "InvalidSpec"],
    ["/tmp/other", "InvalidSpec"],
    ["/tmp", "InvalidSpec"],
  ])("may have a volume for the files of its state, and none elsewhere below /tmp: %s", (mountPath, reason) => {
    const worker = { volumes: [{ name: "disk", emptyDir: {} }], volumeMounts: [{ name: "disk", mountPath }] };
    expect(planned({ worker }).refusal?.reason).toBe(reason);
  });

  it("cannot change the pod's identity or take away its limit of memory", () => {
    const worker = { labels: { "weir.dev/job": "other" }, resources: { requests: { memory: "1Gi" } } };
    const made = template({ worker });
    expect(made.labels["weir.dev/job"]).toBe("j");
    expect(made.spec.containers[0]["resources"]).toEqual({ requests: { memory: "1Gi" }, limits: { memory: "1Gi" } });
  });
});

describe("a worker pod", () => {
  it("is restricted, has no service-account token and mounts state where the job mounts nothing", () => {
    const { spec } = template();
    const [container] = spec.containers;
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      restartPolicy: "OnFailure",
      securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
      volumes: [{ name: "weir-tmp" }, { name: "weir-state", persistentVolumeClaim: { claimName: "weir-state" } }],
    });
    expect(container["securityContext"]).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ["ALL"] },
    });
  });

  it("leaves /var/lib/weir to the job when the job mounts it", () => {
    const worker = {
      volumes: [{ name: "mine", persistentVolumeClaim: { claimName: "mine" } }],
      volumeMounts: [{ name: "mine", mountPath: "/var/lib/weir" }],
    };
    expect(JSON.stringify(template({ worker }).spec)).not.toContain("weir-state");
  });

  it("asks for huge pages, unless the job sets the C library's tunables itself", () => {
    const envOf = ({ spec }: PodTemplate) =>
      spec.containers[0].env.filter((e) => "name" in e && e.name === "GLIBC_TUNABLES");
    expect(envOf(template())).toEqual([{ name: "GLIBC_TUNABLES", value: expect.stringContaining("hugetlb=1") }]);
    const own = { name: "GLIBC_TUNABLES", value: "glibc.malloc.check=1" };
    expect(envOf(template({ worker: { env: [own] } }))).toEqual([own]);
  });

  it("carries the token's hash and its identity, and never the token", () => {
    const owner = { apiVersion: "weir.dev/v1alpha1", kind: "StreamingJob", name: "j", uid: "u" };
    const pod = workerPod(
      template(),
      { epoch: 3, slot: 1, attempt: 2 },
      { namespace: "ns", job: "j", owner, tokenHash: "cafe" },
    );
    expect(pod.metadata).toMatchObject({
      name: "j-3-1-2",
      labels: { "weir.dev/job": "j", "weir.dev/epoch": "3", "weir.dev/slot": "1", "weir.dev/attempt": "2" },
      ownerReferences: [owner],
    });
    const [{ env }] = (pod.spec as PodTemplate["spec"]).containers;
    expect(env).toContainEqual({ name: "WEIR_TOKEN_SHA256", value: "cafe" });
    expect(env).toContainEqual({ name: "WEIR_SLOT", value: "1" });
  });

  it("mounts the Secret of its state's bucket", () => {
    const storage = { uri: "s3://b/x", secretRef: { name: "state-store" } };
    const { spec } = template({ checkpoint: { storage } });
    expect(spec["volumes"]).toContainEqual({ name: "weir-secret-0", secret: { secretName: "state-store" } });
  });

  it("mounts each Secret and ConfigMap that its connections name, once, and its plan holds their names only", () => {
    const kafka = {
      brokers: ["kafka:9093"],
      tls: {
        caRef: { name: "company-ca", key: "ca.crt" },
        caSecretRef: { name: "kafka-ca", key: "ca.crt" },
        clientSecretRef: { name: "kafka-client" },
      },
      sasl: { mechanism: "ScramSha512", secretRef: { name: "kafka-user" } },
    };
    const nodes = [
      { name: "events", source: { connection: "main", kafka: { topics: ["a"] } } },
      { name: "out", from: ["events"], sink: { connection: "main", kafka: { topic: "b" } } },
    ];
    const { spec } = template({ pipeline: { connections: [{ name: "main", kafka }], nodes } });
    const [container] = spec.containers;
    expect(spec["volumes"]).toEqual(
      expect.arrayContaining([
        { name: "weir-secret-0", secret: { secretName: "kafka-ca" } },
        { name: "weir-secret-1", secret: { secretName: "kafka-client" } },
        { name: "weir-secret-2", secret: { secretName: "kafka-user" } },
        { name: "weir-configmap-0", configMap: { name: "company-ca" } },
      ]),
    );
    const mounts = container["volumeMounts"] as { mountPath: string; readOnly?: boolean }[];
    expect(mounts.filter((m) => /secret|configmap/.test(m.mountPath))).toEqual([
      { name: "weir-secret-0", mountPath: "/etc/weir/secrets/kafka-ca", readOnly: true },
      { name: "weir-secret-1", mountPath: "/etc/weir/secrets/kafka-client", readOnly: true },
      { name: "weir-secret-2", mountPath: "/etc/weir/secrets/kafka-user", readOnly: true },
      { name: "weir-configmap-0", mountPath: "/etc/weir/configmaps/company-ca", readOnly: true },
    ]);
  });

  it("is never restarted by the kubelet when the job says Never", () => {
    expect(template({ restart: { strategy: "Never" } }).spec["restartPolicy"]).toBe("Never");
  });

  it("finds a job's pods by a label that fits, also for a long name", () => {
    const long = "a".repeat(100);
    expect(jobLabel(long)).toHaveLength(63);
    expect(jobLabel(long)).not.toBe(jobLabel(`${"a".repeat(99)}b`));
  });
});
