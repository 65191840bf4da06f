import type { ErrorCode } from "../errors.ts";

/** One thing that is wrong with a spec, in words for its author. */
export interface Problem {
  /** Its code in the error catalogue, which gives the condition's reason. */
  readonly code: ErrorCode;
  /** Where: `spec.pipeline.nodes[hot].from`. */
  readonly path: string;
  /** What is wrong and what to do. */
  readonly message: string;
  /** The same place by keys and indexes from the object's root, where they are known. */
  readonly keys?: readonly PropertyKey[];
  /** A field below it that should not be there. */
  readonly unknown?: string;
  /** An expression below the path that is wrong, the character where, and the message without that. */
  readonly expression?: { readonly text: string; readonly offset: number; readonly message: string };
}

/** One line for a condition: the first problems in full, the rest counted. */
export function summary(problems: readonly Problem[], shown = 3): string {
  const lines = problems.slice(0, shown).map((p) => `${p.path}: ${p.message}`);
  const more = problems.length - lines.length;
  return lines.join("; ") + (more > 0 ? `; and ${more} more` : "");
}
