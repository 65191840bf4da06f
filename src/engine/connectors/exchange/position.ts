import { z } from "zod";
import { WeirError } from "../../../errors.ts";
import type { AssignedSplit } from "../connector.ts";
import { savedUpstream } from "./upstream.ts";

const schema = z.object({ offset: z.int().min(0), upstream: savedUpstream, topicId: z.string().optional() });

/** A saved position: the next offset, and what was heard before it. */
export type ExchangePosition = z.infer<typeof schema>;

export function loadPosition({ split, position }: AssignedSplit): ExchangePosition | undefined {
  if (position === undefined) return undefined;
  const parsed = schema.safeParse(position);
  if (parsed.success) return parsed.data;
  throw new WeirError("CHECKPOINT_CORRUPT", `the position of ${split.id} cannot be read: ${parsed.error.message}`);
}
