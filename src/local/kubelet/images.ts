import type { Container } from "./pod.ts";

/**
 * What an image name means without a container runtime: Weir's own image runs this repository's entry points under
 * this Node. Any other image cannot be pulled, and the pod says so.
 */
export interface ImageRunner {
  /** The command line for a container, or undefined when the image is not known here. */
  commandFor(container: Container): readonly string[] | undefined;
}

export interface WeirImages {
  /** Entry point by the container's first argument: "worker", "operator". */
  readonly entryPoints: Readonly<Record<string, string>>;
  /** Repository names that mean Weir's image, for example "weir" and "ghcr.io/weir-dev/weir". */
  readonly repositories: readonly string[];
}

export function weirImages({ entryPoints, repositories }: WeirImages): ImageRunner {
  return {
    commandFor: (container) => {
      if (!repositories.includes(repositoryOf(container.image))) return undefined;
      const [verb, ...rest] = [...(container.command ?? []), ...(container.args ?? [])];
      const entry = entryPoints[verb ?? ""];
      return entry === undefined ? undefined : [process.execPath, ...nodeFlags(container), entry, ...rest];
    },
  };
}

/** "registry:5000/a/b:tag@sha256:…" → "registry:5000/a/b" */
function repositoryOf(image: string): string {
  const name = image.split("@")[0] ?? image;
  const colon = name.lastIndexOf(":");
  return colon > name.lastIndexOf("/") ? name.slice(0, colon) : name;
}

/** As in the image: the heap stays below the container's limit, so that the collector works before the kernel kills. */
function nodeFlags(container: Container): string[] {
  const limit = bytesOf(container.resources?.limits?.["memory"]);
  return limit === undefined ? [] : [`--max-old-space-size=${Math.max(64, Math.floor((limit * 0.75) / 2 ** 20))}`];
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Bytes of a Kubernetes memory quantity, or undefined when it is absent or has no meaning here. */
export function bytesOf(quantity: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([A-Za-z]*)$/.exec(quantity ?? "");
  const unit = units[match?.[2] ?? ""];
  return match?.[1] === undefined || unit === undefined ? undefined : Number(match[1]) * unit;
}
