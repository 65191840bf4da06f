import type { SinkFactory } from "../connector.ts";
import type { SqlSinkConfig } from "../sql/session.ts";
import { openSqlSink } from "../sql/sink.ts";
import { mysql } from "./session.ts";

/** Writes records as rows of one table of MySQL or MariaDB. */
export const mysqlSink: SinkFactory = {
  open: (config, ctx) => openSqlSink(mysql, config as SqlSinkConfig, ctx),
};
