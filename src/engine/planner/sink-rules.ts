import { WeirError } from "../../errors.ts";
import type { PlanSink } from "../plan.ts";

const DATABASES = ["postgres", "mysql"];
const BATCHES = ["kafka", ...DATABASES];

/** What a sink's schema takes and its connector does not do. */
export function refuseUnsuitable({ node, connector, config, onError }: PlanSink): void {
  const says = (text: string): WeirError => new WeirError("PIPELINE_INVALID", `sink "${node}": ${text}`);
  if (DATABASES.includes(connector) && onError === "Dead") {
    throw says("a record that the database refuses cannot come back as dead; set onError to Fail or Skip");
  }
  const { batching } = config as { batching?: unknown };
  if (batching !== undefined && !BATCHES.includes(connector)) {
    throw says(`${connector} has no batching, only ${BATCHES.join(", ")} have; leave it out`);
  }
}
