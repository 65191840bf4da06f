import type { SinkFactory } from "../connector.ts";
import type { SqlSinkConfig } from "../sql/session.ts";
import { openSqlSink } from "../sql/sink.ts";
import { postgres } from "./session.ts";

/** Writes records as rows of one table. */
export const postgresSink: SinkFactory = {
  open: (config, ctx) => openSqlSink(postgres, config as SqlSinkConfig, ctx),
};
