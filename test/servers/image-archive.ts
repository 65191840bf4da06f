/** What is in an image archive that docker, podman or buildah wrote. */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runScript } from "./node-script.ts";

export interface ImageArchive {
  readonly config: {
    readonly User?: string;
    readonly Entrypoint?: readonly string[];
    readonly Cmd?: readonly string[];
    readonly Env?: readonly string[];
    readonly Labels?: Readonly<Record<string, string>>;
  };
  /** Bytes of all layers, not compressed. */
  readonly size: number;
  /** Paths of all files, without a leading slash. */
  readonly files: readonly string[];
  /** The text of a file; of the last layer that has it. */
  read(path: string): Promise<string>;
  /** Unpacks its layers into a folder, as a root file system. */
  unpack(folder: string): Promise<void>;
  close(): void;
}

interface Manifest {
  readonly Config: string;
  readonly Layers: readonly string[];
}

export async function openImageArchive(archive: string): Promise<ImageArchive> {
  const dir = mkdtempSync(join(tmpdir(), "weir-image-"));
  await runScript("tar", ["-xf", archive, "-C", dir]);
  const parse = <T>(file: string): T => JSON.parse(readFileSync(join(dir, file), "utf8")) as T;
  const [manifest] = parse<Manifest[]>("manifest.json");
  if (manifest === undefined) throw new Error(`${archive} holds no image`);
  const layers = manifest.Layers.map((layer) => join(dir, layer));
  const listed = await Promise.all(layers.map((layer) => runScript("tar", ["-tf", layer])));
  const filesOf = listed.map((text) => text.split("\n").map((path) => path.replace(/^\.?\//, "")));
  return {
    config: parse<{ config: ImageArchive["config"] }>(manifest.Config).config,
    size: layers.reduce((sum, layer) => sum + statSync(layer).size, 0),
    files: [...new Set(filesOf.flat())].filter((path) => path !== "" && !path.endsWith("/")),
    read: async (path) => {
      const at = filesOf.findLastIndex((files) => files.includes(path));
      if (at < 0) throw new Error(`${path} is not in the image`);
      const name = (listed[at] ?? "").split("\n").find((line) => line.replace(/^\.?\//, "") === path) ?? path;
      return runScript("tar", ["-xOf", layers[at] ?? "", name]);
    },
    unpack: async (folder) => {
      for (const layer of layers) await runScript("tar", ["-xf", layer, "-C", folder]);
    },
    close: () => rmSync(dir, { recursive: true, force: true }),
  };
}
