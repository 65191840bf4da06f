import { mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { NotReadyError, type ObjectReader } from "./object-reader.ts";
import type { Container, Pod, Volume } from "./pod.ts";

export interface PodFolders {
  /** What the pod sees as "/". */
  readonly root: string;
  /** The pod's own volumes; removed with it. */
  readonly volumes: string;
  /** PersistentVolumeClaims of all pods; outlive them. */
  readonly claims: string;
}

/** Makes every volume a folder and links it where the containers mount it. Can be repeated. */
export async function mountVolumes(pod: Pod, folders: PodFolders, reader: ObjectReader): Promise<void> {
  const sources = new Map<string, string>();
  for (const volume of pod.spec.volumes ?? [])
    sources.set(volume.name, await materialise(volume, pod, folders, reader));
  for (const container of pod.spec.containers) {
    for (const mount of container.volumeMounts ?? []) await link(mount, sources, folders.root);
  }
}

/** A path of the pod's below a folder of this machine. An API server refuses ".." in it; here a pod may come from anywhere. */
function within(folder: string, path: string, what: string): string {
  if (path.split("/").includes("..") || path.includes("\0"))
    throw new NotReadyError("CreateContainerConfigError", `${what} must not contain "..": ${JSON.stringify(path)}`);
  return join(folder, path);
}

/** One name, not a path. */
function plain(name: string): string {
  if (/^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$/.test(name)) return name;
  throw new NotReadyError("CreateContainerConfigError", `${JSON.stringify(name)} is not the name of an object`);
}

/** Brings changed Secrets to a pod that runs, as a kubelet does about once a minute. */
export async function refreshSecrets(pod: Pod, folders: PodFolders, reader: ObjectReader): Promise<void> {
  for (const volume of pod.spec.volumes ?? [])
    if (volume.secret !== undefined) await materialise(volume, pod, folders, reader);
}

type Mount = NonNullable<Container["volumeMounts"]>[number];

async function link(mount: Mount, sources: ReadonlyMap<string, string>, root: string): Promise<void> {
  const source = sources.get(mount.name);
  if (source === undefined)
    throw new NotReadyError("ContainerCreating", `volume "${mount.name}" of mount ${mount.mountPath} is not declared`);
  const target = within(root, mount.mountPath, `mountPath of volume "${mount.name}"`);
  await mkdir(dirname(target), { recursive: true });
  await rm(target, { force: true, recursive: false }).catch(() => undefined);
  await symlink(within(source, mount.subPath ?? "", `subPath of volume "${mount.name}"`), target).catch(
    (e: NodeJS.ErrnoException) => {
      if (e.code !== "EEXIST") throw e;
    },
  );
}

async function materialise(volume: Volume, pod: Pod, folders: PodFolders, reader: ObjectReader): Promise<string> {
  const own = within(folders.volumes, plain(volume.name), "the name of a volume");
  const { namespace } = pod.metadata;
  if (volume.configMap !== undefined) {
    const { name, optional, items } = volume.configMap;
    await writeFiles(own, await reader.configMap(namespace, name), {
      volume: volume.name,
      object: `configmap "${name}"`,
      optional,
      items,
    });
    return own;
  }
  if (volume.secret !== undefined) {
    const { secretName, optional, items } = volume.secret;
    await writeFiles(own, await reader.secret(namespace, secretName), {
      volume: volume.name,
      object: `secret "${secretName}"`,
      optional,
      items,
    });
    return own;
  }
  if (volume.hostPath !== undefined) return volume.hostPath.path;
  const folder =
    volume.persistentVolumeClaim === undefined
      ? own
      : join(folders.claims, plain(namespace), plain(volume.persistentVolumeClaim.claimName));
  await mkdir(folder, { recursive: true });
  return folder;
}

interface Projection {
  readonly volume: string;
  readonly object: string;
  readonly optional: boolean | undefined;
  readonly items: readonly { key: string; path: string }[] | undefined;
}

async function writeFiles(
  folder: string,
  data: Readonly<Record<string, Buffer>> | undefined,
  from: Projection,
): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (data === undefined) {
    if (from.optional === true) return;
    throw new NotReadyError(
      "ContainerCreating",
      `MountVolume.SetUp failed for volume "${from.volume}" : ${from.object} not found`,
    );
  }
  const files = from.items ?? Object.keys(data).map((key) => ({ key, path: key }));
  for (const { key, path } of files) {
    const content = data[key];
    if (content === undefined)
      throw new NotReadyError("ContainerCreating", `${from.object} has no key "${key}" for volume "${from.volume}"`);
    const file = within(folder, path, `path of key "${key}" in volume "${from.volume}"`);
    await mkdir(dirname(file), { recursive: true });
    // Whoever reads it meanwhile finds the old or the new, never a part.
    await writeFile(`${file}.new`, content, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
}
