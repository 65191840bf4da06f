import { WeirError } from "../../../errors.ts";
import type { SourceFactory } from "../connector.ts";

/** Reads what all slots have written for the shards of this one. */
export const exchangeSource: SourceFactory = {
  splits: () => Promise.reject(new WeirError("SPEC_NOT_IMPLEMENTED", "exchanges are not implemented")),
  open: () => Promise.reject(new WeirError("SPEC_NOT_IMPLEMENTED", "exchanges are not implemented")),
};
