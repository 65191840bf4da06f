/** Programs whose own nodes save their state in a later version, as those of a later Weir do. */
import type { SlotOptions } from "../../src/engine/runtime/slot-options.ts";
import { compile } from "../../src/engine/codegen/compile.ts";
import type { Migrations } from "../../src/engine/keyed-state/migrations.ts";
import type { KeyedNode, KeyedSnapshot, StatePiece } from "../../src/engine/program.ts";

export interface Version {
  /** From 2 on a chunk begins with the version as a byte. */
  readonly version: number;
  /** Versions that it migrates from. */
  readonly from: readonly number[];
  /** Hears of each chunk that is migrated: from which version. */
  readonly onMigrated?: (node: string, from: number) => void;
}

/** `compile`, of nodes in that version; functions have versions of their own, and are left alone. */
export function compileIn(version: Version): SlotOptions["build"] {
  return (plan, options) => {
    const program = compile(plan, options);
    const keyed = program.keyed.map((node) => (node.unreadable === undefined ? inVersion(node, version) : node));
    return { ...program, keyed };
  };
}

function inVersion(node: KeyedNode, { version, from, onMigrated }: Version): KeyedNode {
  const migrations: Migrations = new Map(
    from.map((v) => [
      v,
      (chunks) => chunks.map((chunk) => (onMigrated?.(node.node, v), signed(v + 1, bare(v, chunk)))),
    ]),
  );
  return {
    node: node.node,
    stateSignature: node.stateSignature,
    stateVersion: version,
    migrations,
    get watermark() {
      return node.watermark;
    },
    get floor() {
      return node.floor ?? Number.NEGATIVE_INFINITY;
    },
    get onlyOnItsWay() {
      return node.onlyOnItsWay ?? false;
    },
    shards: () => node.shards(),
    size: () => node.size(),
    beginSnapshot: () => snapshotIn(version, node.beginSnapshot()),
    restore: (shard, chunks) =>
      node.restore(
        shard,
        chunks.map((chunk) => bare(version, chunk)),
        node.stateVersion,
      ),
  };
}

function snapshotIn(version: number, snapshot: KeyedSnapshot): KeyedSnapshot {
  const sign = (chunk: Buffer): Buffer => signed(version, chunk);
  const { pieces } = snapshot;
  const piece = ({ whole, since, ...rest }: StatePiece): StatePiece => ({
    ...rest,
    whole: () => Iterator.from(whole()).map(sign),
    since: (earlier) => {
      const changes = since(earlier);
      return changes === undefined ? undefined : Iterator.from(changes).map(sign);
    },
  });
  return {
    chunks: (shard) => Iterator.from(snapshot.chunks(shard)).map(sign),
    release: () => snapshot.release(),
    ...(pieces === undefined ? {} : { pieces: (shard) => Iterator.from(pieces(shard)).map(piece) }),
  };
}

/** Nothing to save stays nothing. */
const signed = (version: number, chunk: Buffer): Buffer =>
  version === 1 || chunk.length === 0 ? chunk : Buffer.concat([Buffer.from([version]), chunk]);

function bare(version: number, chunk: Buffer): Buffer {
  if (version === 1) return chunk;
  if (chunk[0] !== version) throw new Error(`a chunk of version ${chunk[0]} was given to a reader of ${version}`);
  return chunk.subarray(1);
}
