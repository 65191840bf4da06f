import type { StorePurpose } from "../../s3/call.ts";
import { s3Client, type S3Client } from "../../s3/client.ts";
import type { SinkContext } from "../connector.ts";
import { untilReached } from "../until-reached.ts";

/** What a plan holds of a S3 connection. */
export interface BucketConfig {
  readonly bucket: string;
  readonly endpoint?: string;
  readonly region?: string;
  readonly secretRef?: { readonly name: string };
}

export interface Bucket {
  readonly name: string;
  /** Repeats the work until the store has done it; only what no repetition mends gets out. */
  use<T>(work: (client: S3Client) => Promise<T>): Promise<T>;
  /** The same for a bucket that an earlier configuration named. */
  of(name: string): Bucket;
}

const SINK: StorePurpose = {
  code: "SINK_UNREACHABLE",
  setting: (field) => `the connection's ${field}`,
  permissions: "s3:GetObject, s3:PutObject, s3:AbortMultipartUpload, s3:ListBucketMultipartUploads and s3:ListBucket",
};

export function openBucket({ bucket, endpoint, region, secretRef }: BucketConfig, ctx: SinkContext): Bucket {
  const { secret, signal } = ctx;
  const store = { endpoint, region, secretName: secretRef?.name, secret, purpose: SINK, signal };
  const of = (name: string): Bucket => {
    const client = s3Client(name, store);
    return {
      name,
      use: (work) => untilReached(ctx, { code: "SINK_UNREACHABLE", system: "S3" }, () => work(client)),
      of,
    };
  };
  return of(bucket);
}
