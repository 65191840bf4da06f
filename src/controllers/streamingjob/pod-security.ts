/**
 * The restricted Pod Security profile and a little more, checked on the pod as it is sent. Users' templates cannot say
 * most of this at all; but a pod is built from its epoch's ConfigMap, and who may write ConfigMaps in a namespace must not
 * get pods from the operator that they may not make themselves.
 * https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const isAbsent = (value: unknown): boolean => value === undefined || value === null;
const isOff = (value: unknown): boolean => isAbsent(value) || value === false;
const only = (value: unknown, allowed: readonly unknown[]): boolean => isAbsent(value) || allowed.includes(value);
const isEmpty = (value: unknown): boolean => listOf(value).length === 0;
const isUser = (value: unknown): boolean => isAbsent(value) || (Number.isInteger(value) && Number(value) > 0);

export const ALLOWED_VOLUMES: readonly string[] = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "persistentVolumeClaim",
  "projected",
  "secret",
];
const PROFILE = /^(container\.)?(apparmor|seccomp)\.security\.(alpha|beta)\.kubernetes\.io\//;
/** Older spellings of AppArmor and seccomp profiles, as annotations. */
export const isProfileAnnotation = (key: string): boolean => PROFILE.test(key);

interface Pod {
  readonly annotations: Fields;
  readonly spec: Fields;
  readonly security: Fields;
  readonly container: Fields;
  readonly own: Fields;
  /** Security contexts of pod and container. */
  readonly contexts: readonly Fields[];
}

interface Control {
  readonly wanted: string;
  readonly holds: (pod: Pod) => boolean;
}

const CONTROLS: readonly Control[] = [
  {
    wanted: "exactly one container, and no init or ephemeral ones",
    holds: ({ spec }) =>
      listOf(spec["containers"]).length === 1 &&
      isEmpty(spec["initContainers"]) &&
      isEmpty(spec["ephemeralContainers"]),
  },
  {
    wanted: "no hostNetwork, hostPID, hostIPC or hostPort",
    holds: ({ spec, container }) =>
      ["hostNetwork", "hostPID", "hostIPC"].every((field) => isOff(spec[field])) &&
      listOf(container["ports"]).every((port) => only(fieldsOf(port)["hostPort"], [0])),
  },
  {
    wanted: `only volumes of ${ALLOWED_VOLUMES.join(", ")}`,
    holds: ({ spec }) =>
      listOf(spec["volumes"]).every((volume) => {
        const kinds = Object.keys(fieldsOf(volume)).filter((key) => key !== "name");
        return kinds.length === 1 && ALLOWED_VOLUMES.includes(kinds[0] ?? "");
      }),
  },
  { wanted: "privileged off", holds: ({ own }) => isOff(own["privileged"]) },
  { wanted: "allowPrivilegeEscalation: false", holds: ({ own }) => own["allowPrivilegeEscalation"] === false },
  {
    wanted: "capabilities {drop: [ALL]} and none added",
    holds: ({ own }) => {
      const { drop, add } = fieldsOf(own["capabilities"]);
      return listOf(drop).includes("ALL") && isEmpty(add);
    },
  },
  {
    wanted: "runAsNonRoot: true, and no runAsUser 0",
    holds: ({ contexts, security, own }) =>
      (own["runAsNonRoot"] ?? security["runAsNonRoot"]) === true && contexts.every((c) => isUser(c["runAsUser"])),
  },
  { wanted: "readOnlyRootFilesystem: true", holds: ({ own }) => own["readOnlyRootFilesystem"] === true },
  {
    wanted: "seccompProfile RuntimeDefault",
    holds: ({ contexts, security }) =>
      fieldsOf(security["seccompProfile"])["type"] === "RuntimeDefault" &&
      contexts.every((c) => only(fieldsOf(c["seccompProfile"])["type"], ["RuntimeDefault"])),
  },
  {
    wanted: "no AppArmor, SELinux, sysctl, procMount or Windows options",
    holds: ({ contexts, annotations }) =>
      contexts.every((c) => LOOSE.every((field) => isAbsent(c[field]))) &&
      !Object.keys(annotations).some(isProfileAnnotation),
  },
  {
    wanted: "automountServiceAccountToken: false, and no projected token",
    holds: ({ spec }) =>
      spec["automountServiceAccountToken"] === false &&
      !JSON.stringify(spec["volumes"] ?? []).includes('"serviceAccountToken"'),
  },
  {
    wanted: "a limit of memory",
    holds: ({ container }) => !isAbsent(fieldsOf(fieldsOf(container["resources"])["limits"])["memory"]),
  },
];

const LOOSE = ["appArmorProfile", "seLinuxOptions", "sysctls", "procMount", "windowsOptions"];
/** What the pod lacks, in words that name the fields; empty for a pod that is restricted. */
export function looseParts(pod: { readonly annotations?: unknown; readonly spec: unknown }): string[] {
  const spec = fieldsOf(pod.spec);
  const container = fieldsOf(listOf(spec["containers"])[0]);
  const security = fieldsOf(spec["securityContext"]);
  const own = fieldsOf(container["securityContext"]);
  const parts = { annotations: fieldsOf(pod.annotations), spec, container, security, own, contexts: [security, own] };
  return CONTROLS.filter((control) => !control.holds(parts)).map((control) => control.wanted);
}
