import type { KubeCall, KubeRequest } from "./call.ts";
import { isNotFound } from "./kube-error.ts";
import type { KubeObject, ObjectRef, Resource } from "./resource.ts";
import { apiVersionOf, pathOf, refOf } from "./resource.ts";
import type { Transport } from "./transport.ts";
import type { WatchEvent } from "./watch-stream.ts";
import { decodeWatch } from "./watch-stream.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
}

export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListOptions extends Selection, CallOptions {
  /** Objects a page; default 500. 0 asks for everything in one answer. */
  readonly limit?: number;
}

export interface KubeList<T> {
  readonly items: T[];
  readonly resourceVersion: string;
}

export interface WatchOptions extends Selection, CallOptions {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
}

export interface WriteOptions extends CallOptions {
  readonly subresource?: "status" | "scale" | undefined;
  readonly dryRun?: boolean;
  /** Strict makes unknown and duplicated fields an error instead of a warning. */
  readonly fieldValidation?: "Strict" | "Warn" | "Ignore";
  readonly fieldManager?: string;
}

export interface ApplyOptions extends WriteOptions {
  readonly fieldManager: string;
  /** Takes fields over from other managers instead of failing with Conflict. */
  readonly force?: boolean;
}

export interface DeleteOptions extends CallOptions {
  /** Only this incarnation; anything else is a Conflict. Never delete a named object without it. */
  readonly uid?: string | undefined;
  /** Only while nobody changed it since it was read. */
  readonly resourceVersion?: string | undefined;
  readonly propagationPolicy?: "Foreground" | "Background" | "Orphan";
  readonly gracePeriodSeconds?: number;
}

/**
 * Typed calls on raw JSON. Every method rejects with a KubeError (see kube-error.ts) whose `retry` says whether trying
 * again makes sense; none retries by itself, because only a reconciler knows whether its decision still holds.
 */
export interface KubeClient {
  get<T extends KubeObject>(resource: Resource, ref: ObjectRef, options?: CallOptions): Promise<T>;
  /** `undefined` instead of NotFound. */
  find<T extends KubeObject>(resource: Resource, ref: ObjectRef, options?: CallOptions): Promise<T | undefined>;
  /** All pages, from one consistent snapshot. */
  list<T extends KubeObject>(resource: Resource, options?: ListOptions): Promise<KubeList<T>>;
  create<T extends KubeObject>(resource: Resource, object: T, options?: WriteOptions): Promise<T>;
  /** Replaces the object. With a resourceVersion in its metadata, a change by somebody else is a Conflict. */
  update<T extends KubeObject>(resource: Resource, object: T, options?: WriteOptions): Promise<T>;
  updateStatus<T extends KubeObject>(resource: Resource, object: T, options?: WriteOptions): Promise<T>;
  /** JSON merge patch (RFC 7386). Put `metadata.resourceVersion` in it to fail on a concurrent change. */
  patch<T extends KubeObject>(resource: Resource, ref: ObjectRef, patch: object, options?: WriteOptions): Promise<T>;
  /** Server-side apply: creates, or owns exactly the fields given. */
  apply<T extends KubeObject>(resource: Resource, object: T, options: ApplyOptions): Promise<T>;
  /** Resolves when the server accepted the deletion, which is not yet when the object is gone. */
  delete(resource: Resource, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** One watch connection, without any of the recovery that a reflector adds. Ends when the server ends it. */
  watch<T extends KubeObject>(resource: Resource, options: WatchOptions): Promise<AsyncIterable<WatchEvent<T>>>;
  /** A call this interface has no word for, for example `GET /version`. */
  raw<T>(request: KubeRequest): Promise<T>;
  /** Closes idle and busy connections; running calls reject. */
  close(): Promise<void>;
}

export const DEFAULT_PAGE = 500;

export function createKubeClient(transport: Transport): KubeClient {
  const collection = (resource: Resource, selection: Selection, verb: KubeCall["verb"]): KubeRequest => ({
    call: { verb, group: resource.group, resource: resource.plural, namespace: selection.namespace },
    method: "GET",
    path: pathOf(resource, { namespace: selection.namespace }),
    query: { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector },
  });

  const single = (resource: Resource, ref: ObjectRef, request: SingleRequest): KubeRequest => ({
    call: {
      verb: request.verb,
      group: resource.group,
      resource: resource.plural,
      subresource: request.options.subresource,
      namespace: resource.namespaced ? ref.namespace : undefined,
      name: ref.name,
    },
    method: request.method,
    path: pathOf(resource, {
      namespace: ref.namespace,
      name: request.verb === "create" ? undefined : ref.name,
      subresource: request.options.subresource,
    }),
    query: { ...writeQuery(request.options), force: request.force },
    body: request.body,
    contentType: request.contentType,
    signal: request.options.signal,
  });

  const put = <T extends KubeObject>(resource: Resource, object: T, options: WriteOptions): Promise<T> =>
    transport.request<T>(single(resource, refOf(object), { verb: "update", method: "PUT", body: object, options }));

  const client: KubeClient = {
    get: (resource, ref, options = {}) =>
      transport.request(single(resource, ref, { verb: "get", method: "GET", options })),
    find: (resource, ref, options = {}) =>
      client.get<never>(resource, ref, options).catch((e: unknown) => {
        if (isNotFound(e)) return undefined;
        throw e;
      }),
    list: <T extends KubeObject>(resource: Resource, options: ListOptions = {}) =>
      listPages<T>(
        transport,
        { ...collection(resource, options, "list"), signal: options.signal },
        {
          limit: options.limit ?? DEFAULT_PAGE,
          type: { apiVersion: apiVersionOf(resource), kind: resource.kind },
        },
      ),
    create: (resource, object, options = {}) =>
      transport.request(single(resource, refOf(object), { verb: "create", method: "POST", body: object, options })),
    update: (resource, object, options = {}) => put(resource, object, options),
    updateStatus: (resource, object, options = {}) => put(resource, object, { ...options, subresource: "status" }),
    patch: (resource, ref, patch, options = {}) =>
      transport.request(
        single(resource, ref, {
          verb: "patch",
          method: "PATCH",
          body: patch,
          contentType: "application/merge-patch+json",
          options,
        }),
      ),
    apply: (resource, object, options) =>
      transport.request(
        single(resource, refOf(object), {
          verb: "patch",
          method: "PATCH",
          body: object,
          contentType: "application/apply-patch+yaml", // JSON is YAML
          options,
          force: options.force,
        }),
      ),
    delete: async (resource, ref, options = {}) => {
      const { uid, resourceVersion, propagationPolicy = "Background", gracePeriodSeconds } = options;
      const body = {
        apiVersion: "v1",
        kind: "DeleteOptions",
        propagationPolicy,
        gracePeriodSeconds,
        preconditions: uid === undefined && resourceVersion === undefined ? undefined : { uid, resourceVersion },
      };
      await transport.request(
        single(resource, ref, { verb: "delete", method: "DELETE", body, options: { signal: options.signal } }),
      );
    },
    watch: async <T extends KubeObject>(resource: Resource, options: WatchOptions) => {
      const request = collection(resource, options, "watch");
      const bytes = await transport.stream({
        ...request,
        query: {
          ...request.query,
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: options.resourceVersion,
          timeoutSeconds: options.timeoutSeconds,
        },
        signal: options.signal,
      });
      return decodeWatch<T>(bytes, `watch ${resource.plural}`);
    },
    raw: (request) => transport.request(request),
    close: () => transport.close(),
  };
  return client;
}

interface SingleRequest {
  readonly verb: KubeCall["verb"];
  readonly method: KubeRequest["method"];
  readonly body?: unknown;
  readonly contentType?: string;
  readonly options: Omit<WriteOptions, "signal"> & { readonly signal?: AbortSignal | undefined };
  readonly force?: boolean | undefined;
}

function writeQuery(options: Omit<WriteOptions, "signal">): Record<string, string | undefined> {
  return {
    fieldManager: options.fieldManager,
    fieldValidation: options.fieldValidation,
    dryRun: options.dryRun === true ? "All" : undefined,
  };
}

interface Page<T> {
  items?: T[];
  metadata?: { resourceVersion?: string; continue?: string };
}

/** The server leaves apiVersion and kind out of list items; every object that leaves this folder has them. */
async function listPages<T extends KubeObject>(
  transport: Transport,
  request: KubeRequest,
  options: { limit: number; type: { apiVersion: string; kind: string } },
): Promise<KubeList<T>> {
  const items: T[] = [];
  let token: string | undefined;
  for (;;) {
    const page: Page<T> = await transport.request<Page<T>>({
      ...request,
      query: { ...request.query, limit: options.limit, continue: token },
    });
    for (const item of page.items ?? []) items.push({ ...options.type, ...item });
    token = page.metadata?.continue;
    if (token === undefined || token === "") return { items, resourceVersion: page.metadata?.resourceVersion ?? "" };
  }
}
