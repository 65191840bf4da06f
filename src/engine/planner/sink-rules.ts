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
  if (connector === "s3") refuseOddBucket(config as OddBucket, says);
  const { batching } = config as { batching?: unknown };
  if (batching !== undefined && !BATCHES.includes(connector)) {
    throw says(`${connector} has no batching, only ${BATCHES.join(", ")} have; leave it out`);
  }
}

interface OddBucket {
  readonly bucket: string;
  readonly prefix: string;
  readonly secretRef?: object;
}

/** The bucket becomes a part of the store's address, the prefix one of the path. */
function refuseOddBucket({ bucket, prefix, secretRef }: OddBucket, says: (text: string) => WeirError): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/.test(bucket)) throw says(`"${bucket}" cannot be the name of a bucket`);
  const odd = prefix.split("/").find((part) => part === "." || part === "..");
  if (odd !== undefined) throw says(`"${odd}" cannot be part of a prefix`);
  if (secretRef === undefined)
    throw says("its connection needs secretRef: a Secret with accessKeyId and secretAccessKey");
}
