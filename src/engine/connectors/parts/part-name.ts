import type { SinkContext } from "../connector.ts";

/** Whose part it is, and which one: `part-<node>-<lineage>-e<epoch>-s<slot>-a<attempt>-<number>`. */
export interface PartOwner {
  readonly epoch: number;
  readonly slot: number;
  readonly attempt: number;
}

export interface PartNames {
  /** Of this worker's part. */
  name(number: number): string;
  /** Of this worker's parts, up to the number. */
  readonly own: string;
  /** What all parts of the node have in common, of whichever worker. */
  readonly common: string;
  /** Whose a name without its ending is; `undefined` for what is no part of the node. */
  owner(name: string): (PartOwner & { readonly number: number }) | undefined;
}

export function partNames(ctx: SinkContext): PartNames {
  const lineage = ctx.lineage.replaceAll(/[^A-Za-z0-9]/g, "").slice(-12);
  const common = `part-${ctx.node}-${lineage}-`;
  const own = `${common}e${ctx.epoch}-s${ctx.slot}-a${ctx.attempt}-`;
  return {
    own,
    common,
    name: (number) => own + number,
    owner: (name) => {
      if (!name.startsWith(common)) return undefined;
      const found = /^e([0-9]+)-s([0-9]+)-a([0-9]+)-([0-9]+)$/.exec(name.slice(common.length));
      if (found === null) return undefined;
      const [epoch = 0, slot = 0, attempt = 0, number = 0] = found.slice(1).map(Number);
      return { epoch, slot, attempt, number };
    },
  };
}

/**
 * Whether nobody will publish a part any more once this worker has committed: everything before this epoch is decided, and
 * so is what workers of its own slot did before it. Whoever followed it may be writing already: that is not its to remove.
 */
export function isOrphan({ epoch, slot, attempt }: PartOwner, own: SinkContext): boolean {
  return epoch < own.epoch || (epoch === own.epoch && slot === own.slot && attempt <= own.attempt);
}
