/** Something asked for by a verb or a policy. Handled once; the outcome is recorded where it was asked. */
export type Intent = (
  | { readonly verb: "start"; readonly savepoint?: string | undefined }
  | { readonly verb: "stop" }
  | { readonly verb: "restart"; readonly from?: "LatestSavepoint" | "LatestCheckpoint" | undefined }
  | { readonly verb: "scale"; readonly parallelism: number }
  | { readonly verb: "savepoint" }
  | { readonly verb: "pause" }
  | { readonly verb: "resume" }
) & {
  /** `verb/<name>=<value>` or `policy/<name>/<rule>`; at most 512 characters. */
  readonly by: string;
  readonly reason?: string | undefined;
  /** The decision of status.decisions that it comes from. */
  readonly actionId?: string | undefined;
};
