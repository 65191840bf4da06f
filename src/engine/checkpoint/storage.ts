import { WeirError } from "../../errors.ts";
import { fileStorage } from "./file-storage.ts";
import { memoryStorage } from "./memory-storage.ts";
import type { ObjectStore } from "../s3/call.ts";
import { s3Storage } from "./s3-storage.ts";

/**
 * Where checkpoints live: a tree of immutable objects below one URI. Paths are relative, with "/". The contract is what
 * both a folder and an object store can keep, so that restore never depends on a rename.
 */
export interface Storage {
  /** As the user knows it, without a slash at the end. */
  readonly uri: string;
  /** False where the data ends with the process. */
  readonly durable: boolean;
  /** The bytes, or `undefined` when there is no such object. A range beyond the end gives fewer bytes. */
  read(path: string, range?: { offset: number; length: number }): Promise<Buffer | undefined>;
  /** A new object, written in pieces; nothing may refer to it before `close` resolved. Replaces a leftover. */
  writer(path: string): Promise<SegmentWriter>;
  /** Durable and whole, or not at all; false, and nothing changes, when the object exists. */
  create(path: string, bytes: Buffer): Promise<boolean>;
  /** Names directly below a folder; empty when there is no such folder. */
  list(folder: string): Promise<readonly string[]>;
  /** Removes an object or a folder with everything below it; nothing there is fine. */
  remove(path: string): Promise<void>;
}

export interface SegmentWriter {
  /** Takes the bytes over by copying what it does not write at once. One at a time, and none after one that failed. */
  write(bytes: Buffer): Promise<void>;
  /** Durable when it resolves. */
  close(): Promise<void>;
  /** Gives the file up: what was written may stay as an orphan. */
  abandon(): Promise<void>;
}

/** Opens the storage of a URI as one worker reaches it: savepoints are elsewhere than checkpoints, maybe. */
export type StorageOpener = (uri: string) => Storage;

/** `file:///folder`, `s3://bucket/prefix` or `memory://name`. */
export function openStorage(uri: string, resolvePath: (path: string) => string, objects?: ObjectStore): Storage {
  const bare = uri.replace(/\/+$/, "");
  if (bare.startsWith("file:///"))
    return fileStorage(bare, resolvePath(decodeURIComponent(bare.slice("file://".length))));
  if (uri.startsWith("memory://")) return memoryStorage(bare === "memory:" ? "memory://" : bare);
  if (uri.startsWith("s3://")) {
    if (objects !== undefined) return s3Storage(bare, objects);
    throw new WeirError("SPEC_INVALID", `${uri} needs credentials: name a Secret in spec.checkpoint.storage.secretRef`);
  }
  throw new WeirError("SPEC_INVALID", `${uri} is no storage; use file:///…, s3://bucket/… or memory://`);
}
