import type { EffectiveSpec } from "../../api/effective-spec.ts";
import type { Problem } from "../../api/problem.ts";
import { STATE_FOLDER } from "../../api/worker-protocol.ts";
import { isProfileAnnotation } from "./pod-security.ts";

/** What a user's worker template must leave alone: it could loosen the pod or lead the worker astray. */
type Template = EffectiveSpec["worker"];

/** Folders that hold the plan, the Secrets and the scratch space. */
const OWN_FOLDERS = ["/etc/weir", "/tmp"];
/** Within them, what may be on a volume: it has what nothing else of the pod needs. */
const MAY_BE_MOUNTED: readonly string[] = [STATE_FOLDER];

export function checkTemplate(worker: Template): Problem[] {
  return [
    ...(worker.env ?? []).flatMap(({ name }, i) =>
      name.startsWith("WEIR_")
        ? invalid(`env[${i}].name`, `${name} is Weir's own; names must not begin with WEIR_`)
        : [],
    ),
    ...(worker.volumeMounts ?? []).flatMap((mount, i) => checkMount(mount, `volumeMounts[${i}]`)),
    ...(worker.volumes ?? []).flatMap((volume, i) => checkToken(volume, `volumes[${i}]`)),
    ...Object.keys(worker.annotations ?? {}).flatMap((key) =>
      isProfileAnnotation(key) ? invalid("annotations", `${key} would loosen the pod; remove it`) : [],
    ),
  ];
}

const invalid = (field: string, message: string): Problem[] => [
  { code: "SPEC_INVALID", path: `spec.worker.${field}`, message },
];

function checkMount({ name, mountPath }: { name: string; mountPath: string }, field: string): Problem[] {
  if (name.startsWith("weir-")) return invalid(`${field}.name`, `${name} is Weir's own volume; mount one of yours`);
  const parts = mountPath.split("/").filter((part) => part !== "" && part !== ".");
  if (!mountPath.startsWith("/") || parts.includes(".."))
    return invalid(`${field}.mountPath`, `${mountPath} must be an absolute path without ".."`);
  const folder = `/${parts.join("/")}`;
  if (MAY_BE_MOUNTED.includes(folder)) return [];
  const own = OWN_FOLDERS.find((taken) => covers(folder, taken) || covers(taken, folder));
  return own === undefined
    ? []
    : invalid(`${field}.mountPath`, `${mountPath} would hide or change ${own}, which is Weir's own; mount elsewhere`);
}

const covers = (outer: string, inner: string): boolean =>
  outer === "/" || inner === outer || inner.startsWith(`${outer}/`);

/** A projected token is a service account's credential, which worker pods do without. */
function checkToken(volume: Readonly<Record<string, unknown>>, field: string): Problem[] {
  const { projected } = volume;
  const text = projected === undefined ? "" : JSON.stringify(projected);
  return text.includes('"serviceAccountToken"')
    ? invalid(field, "worker pods carry no service account's token; remove the source serviceAccountToken")
    : [];
}
