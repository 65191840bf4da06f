/** Where a bucket is and who reads it. */
export interface ObjectStore {
  /** Absent: Amazon's own, by region. Given: buckets are paths below it, as most other stores have them. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** The Secret's name, for messages. */
  readonly secretName?: string | undefined;
  /** A key of the mounted Secret as it is now: it may be changed at any time. */
  readonly secret: (key: string) => string | undefined;
}

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
