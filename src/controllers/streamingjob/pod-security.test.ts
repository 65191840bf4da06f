import { describe, expect, it } from "vitest";
import { datagenJob } from "../../../test/builders/datagen-job.ts";
import { streamingJobSpec } from "../../api/streaming-job.schema.ts";
import { effectiveSpec } from "../../api/effective-spec.ts";
import { planJob } from "./planned-job.ts";
import { looseParts } from "./pod-security.ts";
import { podTemplate } from "./worker-pod.ts";
import type { PodTemplate, WorkerDefaults } from "./worker-pod.ts";

function template(worker: object = {}, workerDefaults: WorkerDefaults = {}): PodTemplate {
  const { spec } = datagenJob("j", { worker });
  const { plan, refusal } = planJob(spec);
  if (plan === undefined) throw new Error(refusal?.message);
  return podTemplate("j", effectiveSpec(streamingJobSpec.parse(spec)), plan, {
    image: "weir",
    stateClaim: "weir-state",
    workerDefaults,
  });
}

type Json = Record<string, unknown>;
/** The pod of a plain job with something changed, by a path such as `containers.0.securityContext.privileged`. */
function changed(path: string, value: unknown): PodTemplate {
  const pod = structuredClone(template()) as unknown as Json;
  const keys = ["spec", ...path.split(".")];
  const last = keys.pop() ?? "";
  const parent = keys.reduce((at, key) => (at[key] ??= {}) as Json, pod);
  parent[last] = value;
  return pod as unknown as PodTemplate;
}

describe("a worker's pod", () => {
  it("is restricted as it is, and with everything that a job may say of it", () => {
    const worker = {
      image: "mine",
      imagePullSecrets: [{ name: "pull" }],
      serviceAccountName: "mine",
      resources: { requests: { cpu: "1" } },
      env: [{ name: "A", value: "b" }],
      volumes: [{ name: "v", emptyDir: {} }],
      volumeMounts: [{ name: "v", mountPath: "/v" }],
      labels: { a: "b" },
      annotations: { a: "b" },
      nodeSelector: { a: "b" },
      tolerations: [{ operator: "Exists" }],
      affinity: { nodeAffinity: {} },
      topologySpreadConstraints: [{}],
      priorityClassName: "high",
    };
    expect(looseParts(template())).toEqual([]);
    expect(looseParts(template(worker))).toEqual([]);
  });

  it.each([
    ["hostNetwork", true, "hostNetwork"],
    ["hostPID", true, "hostPID"],
    ["containers.0.ports.0.hostPort", 80, "hostPort"],
    ["containers.1", { name: "more" }, "one container"],
    ["initContainers", [{ name: "before" }], "init"],
    ["volumes.0", { name: "v", hostPath: { path: "/" } }, "only volumes of"],
    ["volumes.0", { name: "v", emptyDir: {}, hostPath: { path: "/" } }, "only volumes of"],
    ["volumes.0", { name: "v", projected: { sources: [{ serviceAccountToken: {} }] } }, "projected token"],
    ["automountServiceAccountToken", true, "automountServiceAccountToken"],
    ["containers.0.securityContext.privileged", true, "privileged"],
    ["containers.0.securityContext.allowPrivilegeEscalation", true, "allowPrivilegeEscalation"],
    ["containers.0.securityContext.capabilities", { drop: ["ALL"], add: ["SYS_ADMIN"] }, "capabilities"],
    ["containers.0.securityContext.capabilities", {}, "capabilities"],
    ["containers.0.securityContext.runAsNonRoot", false, "runAsNonRoot"],
    ["containers.0.securityContext.runAsUser", 0, "runAsUser"],
    ["securityContext.runAsUser", 0, "runAsUser"],
    ["containers.0.securityContext.readOnlyRootFilesystem", false, "readOnlyRootFilesystem"],
    ["containers.0.securityContext.seccompProfile", { type: "Unconfined" }, "seccompProfile"],
    ["securityContext.seccompProfile", undefined, "seccompProfile"],
    ["securityContext", "none", "seccompProfile"],
    ["securityContext.sysctls", [{ name: "kernel.x", value: "1" }], "sysctl"],
    ["containers.0.securityContext.procMount", "Unmasked", "procMount"],
    ["securityContext.appArmorProfile", { type: "Unconfined" }, "AppArmor"],
    ["containers.0.resources", {}, "a limit of memory"],
  ])("is not restricted with %s", (path, value, named) => {
    expect(looseParts(changed(path, value)).join("; ")).toContain(
      path === "securityContext" ? "seccompProfile" : named,
    );
  });

  it("takes from the operator's configuration what its job does not say", () => {
    const workerDefaults = {
      imagePullPolicy: "Never",
      imagePullSecrets: ["registry"],
      priorityClassName: "low",
      resources: { requests: { cpu: "1" }, limits: { memory: "1Gi" } },
    } as const;
    expect(template({}, workerDefaults).spec).toMatchObject({
      imagePullSecrets: [{ name: "registry" }],
      priorityClassName: "low",
      containers: [{ imagePullPolicy: "Never", resources: workerDefaults.resources }],
    });
    const own = {
      imagePullSecrets: [{ name: "mine" }],
      priorityClassName: "high",
      resources: { limits: { cpu: "2" } },
    };
    expect(template(own, workerDefaults).spec).toMatchObject({
      imagePullSecrets: [{ name: "mine" }],
      priorityClassName: "high",
      containers: [{ resources: { limits: { cpu: "2", memory: "1Gi" } } }],
    });
  });

  it("cannot be passed off as the operator's", () => {
    const labels = { "app.kubernetes.io/name": "x", "app.kubernetes.io/component": "operator", team: "a" };
    expect(template({ labels }).labels).toMatchObject({
      "app.kubernetes.io/name": "weir",
      "app.kubernetes.io/component": "worker",
      team: "a",
    });
  });
});
