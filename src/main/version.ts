import manifest from "../../package.json" with { type: "json" };

/** Of the program, its image and its chart. package.json is the one place where it is written. */
export const VERSION: string = manifest.version;

export const IMAGE_REPOSITORY = "ghcr.io/weir-dev/weir";
/** The image of this version. */
export const IMAGE = `${IMAGE_REPOSITORY}:${VERSION}`;
