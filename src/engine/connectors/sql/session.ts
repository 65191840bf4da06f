import type { ConnectorContext } from "../connector.ts";
import type { TlsConfig } from "../credentials.ts";
import type { SqlRow, Shape } from "./rows.ts";

/** What a plan holds of a SQL sink: the connection's fields and the node's own. */
export interface SqlSinkConfig {
  readonly host: string;
  readonly port?: number;
  readonly database: string;
  readonly secretRef?: { readonly name: string };
  readonly tls?: TlsConfig;
  /** `table` or `schema.table`, in the database's own spelling. */
  readonly table: string;
  /** Rows with the same values here replace each other. */
  readonly keyColumns?: readonly string[];
  readonly batching?: {
    readonly count?: number;
    /** Kubernetes quantity. */
    readonly bytes?: string | number;
    /** Duration, for example "50ms". */
    readonly interval?: string;
  };
}

export interface TableName {
  readonly schema: string | undefined;
  readonly name: string;
}

export function tableNameOf(table: string): TableName {
  const dot = table.indexOf(".");
  return dot < 0 ? { schema: undefined, name: table } : { schema: table.slice(0, dot), name: table.slice(dot + 1) };
}

export interface Column {
  readonly name: string;
  /** The database's own name of the type, in lower case. */
  readonly type: string;
  /** A row must have a value for it: not null, and no default. */
  readonly required: boolean;
  /** The database makes its values itself. */
  readonly generated: boolean;
}

export interface TableFacts {
  readonly columns: readonly Column[];
  /** Columns of each unique index. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** Why it cannot be part of a transaction. */
  readonly notTransactional?: string;
}

/** A row that the database does not take, ever. */
export class RowRefused extends Error {
  readonly column: string | undefined;
  constructor(message: string, column: string | undefined, cause: unknown) {
    super(message, { cause });
    this.column = column;
  }
}

/** One connection. Every rejection but `RowRefused` says that the database or the connection does not work now. */
export interface SqlSession {
  /** Constant text of ours with `?` for each parameter. Gives rows as objects, and how many a change met. */
  query(
    text: string,
    parameters?: readonly (string | number)[],
  ): Promise<{ rows: readonly Readonly<Record<string, unknown>>[]; changed: number }>;
  /** What the catalogue says of a table; `undefined` where there is none that the user may see. */
  describe(table: TableName): Promise<TableFacts | undefined>;
  /** How rows of one shape are shared out to statements. */
  statements(shape: Shape, rows: readonly SqlRow[]): Iterable<readonly SqlRow[]>;
  /** One statement. */
  write(shape: Shape, rows: readonly SqlRow[]): Promise<void>;
  /** Takes the lock `name` for this connection's life, and ends whichever connection holds it. */
  seize(name: string): Promise<void>;
  readonly lost: boolean;
  close(): Promise<void>;
}

/** What the server ends by itself. */
export interface SessionLimits {
  /** A transaction that is left idle for so long ends. */
  readonly idleMs: number;
  /** So does a statement that has run for so long: one that waits for a lock does not notice that its client is gone. */
  readonly statementMs?: number;
}

/** What is different between the databases. */
export interface Dialect {
  readonly system: string;
  readonly quote: (identifier: string) => string;
  readonly insertIgnore: (table: string, columns: string, values: string) => string;
  connect(config: SqlSinkConfig, ctx: ConnectorContext, limits: SessionLimits): Promise<SqlSession>;
}

export function qualified(dialect: Pick<Dialect, "quote">, { schema, name }: TableName): string {
  return schema === undefined ? dialect.quote(name) : `${dialect.quote(schema)}.${dialect.quote(name)}`;
}
