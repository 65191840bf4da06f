import { WeirError } from "../../../errors.ts";
import type { SinkFactory } from "../connector.ts";

/** Writes records to the slot that has their key's shard. */
export const exchangeSink: SinkFactory = {
  open: () => Promise.reject(new WeirError("SPEC_NOT_IMPLEMENTED", "exchanges are not implemented")),
};
