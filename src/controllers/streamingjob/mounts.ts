import type { EffectiveSpec } from "../../api/effective-spec.ts";
import type { Problem } from "../../api/problem.ts";
import { ALLOWED_VOLUMES } from "./pod-security.ts";

/** Volumes of a worker pod: what the user mounts, and the state claim where the user mounts nothing there. */
export const STATE_DIR = "/var/lib/weir";
const OWN_PREFIX = "weir-";

export function checkMounts(effective: EffectiveSpec): Problem[] {
  const { worker } = effective;
  const volumes = (worker.volumes ?? []).flatMap((volume, i) => checkVolume(volume, `spec.worker.volumes[${i}]`));
  const places = [
    ["spec.checkpoint.storage.uri", effective.checkpoint.storage.uri],
    ["spec.savepoint.uri", effective.savepoint?.uri],
    ["spec.stop.savepointDir", effective.stop.savepointDir],
  ] as const;
  const uncovered = places.flatMap(([path, uri]): Problem[] => {
    const folder = folderOf(uri);
    if (folder === undefined || isBelow(folder, STATE_DIR) || isMounted(effective, folder)) return [];
    const message = `${uri} is in no volume and would be lost with the pod; mount one there by spec.worker.volumes and volumeMounts, or use a folder below ${STATE_DIR}`;
    return [{ code: "SPEC_INVALID", path, message }];
  });
  return [...volumes, ...uncovered, ...checkCredentials(effective)];
}

/** Every object store of a job is reached with the one Secret that its checkpoint storage names. */
function checkCredentials({ checkpoint, savepoint, startFrom, stop }: EffectiveSpec): Problem[] {
  if (checkpoint.storage.secretRef !== undefined) return [];
  const uris = [checkpoint.storage.uri, savepoint?.uri, startFrom.savepoint, stop.savepointDir];
  const uri = uris.find((u) => u?.startsWith("s3://") === true);
  if (uri === undefined) return [];
  const message = `${uri} needs credentials: name a Secret with the keys accessKeyId and secretAccessKey`;
  return [{ code: "SPEC_INVALID", path: "spec.checkpoint.storage.secretRef", message }];
}

function checkVolume(volume: Readonly<Record<string, unknown>>, path: string): Problem[] {
  const invalid = (message: string): Problem[] => [{ code: "SPEC_INVALID", path, message }];
  const { name } = volume;
  if (typeof name !== "string" || name === "") return invalid("needs a name");
  if (name.startsWith(OWN_PREFIX))
    return invalid(`the names of Weir's own volumes begin with ${OWN_PREFIX}; choose another than "${name}"`);
  const kinds = Object.keys(volume).filter((key) => key !== "name");
  const kind = kinds[0];
  if (kinds.length !== 1 || kind === undefined) return invalid("must have a name and exactly one kind of volume");
  if (!ALLOWED_VOLUMES.includes(kind))
    return invalid(`${kind} is not allowed by restricted Pod Security; use one of ${ALLOWED_VOLUMES.join(", ")}`);
  return [];
}

export function isMounted(effective: EffectiveSpec, folder: string): boolean {
  return (effective.worker.volumeMounts ?? []).some((m) => isBelow(folder, m.mountPath));
}

export function folderOf(uri: string | undefined): string | undefined {
  return uri?.startsWith("file://") === true ? uri.slice("file://".length) : undefined;
}

function isBelow(folder: string, parent: string): boolean {
  const base = parent.replace(/\/+$/, "");
  return folder === base || folder.startsWith(`${base}/`);
}
