/** Where a bucket is and who reads it. */
export interface ObjectStore {
  /** Absent: Amazon's own, by region. Given: buckets are paths below it, as most other stores have them. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** The Secret's name, for messages. */
  readonly secretName?: string | undefined;
  /** A key of the mounted Secret as it is now: it may be changed at any time. */
  readonly secret: (key: string) => string | undefined;
  /** What it is for, in errors; checkpoints without it. */
  readonly purpose?: StorePurpose;
  /** Ends what is under way. */
  readonly signal?: AbortSignal;
}

export interface StorePurpose {
  readonly code: "CHECKPOINT_UNWRITABLE" | "SINK_UNREACHABLE";
  /** What its user may change: "spec.checkpoint.storage.endpoint". */
  readonly setting: (field: "endpoint" | "region" | "secretRef") => string;
  readonly permissions: string;
}

const CHECKPOINTS: StorePurpose = {
  code: "CHECKPOINT_UNWRITABLE",
  setting: (field) => `spec.checkpoint.storage.${field}`,
  permissions: "s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket",
};

export const purposeOf = ({ purpose = CHECKPOINTS }: ObjectStore): StorePurpose => purpose;

export interface S3Request {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Empty for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Statuses that are an answer here and no error. */
  readonly expected?: readonly number[];
}

export interface S3Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** How many times it was asked: a first try whose answer was lost may have done it. */
  readonly tries: number;
}
