/** One API call in the words of RBAC: what a rule of a Role must allow for it to work. */
export interface KubeCall {
  readonly verb: "get" | "list" | "watch" | "create" | "update" | "patch" | "delete";
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

export interface KubeRequest {
  readonly call: KubeCall;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  readonly body?: unknown;
  readonly contentType?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The seam around every call. Return what `next` returned to let the call pass; throw before or after awaiting it and
 * the caller sees the error as if the process had died before the write or before its acknowledgement.
 */
export type Interceptor = <R>(request: KubeRequest, next: (request: KubeRequest) => Promise<R>) => Promise<R>;

export function isWrite(request: KubeRequest): boolean {
  return request.method !== "GET";
}

export interface CallRecorder {
  readonly intercept: Interceptor;
  /** Every call so far, in order; clear it with `length = 0`. */
  readonly calls: KubeCall[];
}

/** Keeps what was called, for RBAC tests and for counting. Install it with `interceptors`. */
export function callRecorder(): CallRecorder {
  const calls: KubeCall[] = [];
  return {
    calls,
    intercept: (request, next) => {
      calls.push(request.call);
      return next(request);
    },
  };
}
