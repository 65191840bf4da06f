/** One line of what `weir lint` and `weir test` say. */
export interface Finding {
  readonly file: string;
  /** From 1; a column is a UTF-16 unit. */
  readonly line: number;
  readonly column: number;
  readonly severity: "error" | "warning";
  /** Its code in docs/reference/errors.md; of a warning its name in docs/reference/lint.md. */
  readonly code: string;
  /** `StreamingJob/realtime-etl`, or null where the file is no object yet. */
  readonly object: string | null;
  /** `spec.pipeline.nodes[hot].from`, or "". */
  readonly path: string;
  readonly message: string;
}

/** As compilers write it, so that editors and CI systems find the place. */
export function findingText({ file, line, column, severity, code, path, message }: Finding): string {
  const where = path === "" ? "" : `${path}: `;
  return `${file}:${line}:${column}: ${severity}: ${where}${message} [${code}]`;
}

export function inOrder(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column);
}

const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
