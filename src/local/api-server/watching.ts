import type { Call } from "./call.ts";
import { fromStored, keyOf } from "./conversion.ts";
import type { KubeObject } from "./object.ts";
import { withMeta } from "./object.ts";
import { requestedRevision } from "./reading.ts";
import { groupVersion } from "./resource.ts";
import type { Predicate } from "./selectors.ts";
import { selection } from "./selectors.ts";
import type { Status } from "./status-error.ts";
import { badRequest, expired } from "./status-error.ts";
import type { Change } from "./store.ts";

export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: KubeObject }
  | { readonly type: "BOOKMARK"; readonly object: unknown }
  | { readonly type: "ERROR"; readonly object: Status };

export interface WatchPlan {
  /** Sent at once. */
  readonly first: readonly WatchEvent[];
  /** Starts to deliver what is committed from now on; the answer ends it. */
  readonly follow: (send: (event: WatchEvent) => void) => () => void;
  readonly timeoutMs: number;
}

const BOOKMARK_EVERY_MS = 30_000;
const LONGEST_WATCH_MS = 30 * 60_000;

/** What a change means to a watcher that sees only some objects: leaving the selection is a deletion to it. */
function eventOf(change: Change, call: Call, matches: Predicate): WatchEvent | undefined {
  const object = fromStored(call.resource, change.object);
  const before = change.previous === undefined ? undefined : fromStored(call.resource, change.previous);
  const was = before !== undefined && matches(before);
  const is = change.type !== "DELETED" && matches(object);
  if (is) return { type: was ? "MODIFIED" : "ADDED", object };
  if (!was) return undefined;
  // The last state that the watcher knew, at the revision at which it left.
  const last = change.type === "DELETED" ? object : withMeta(before, { resourceVersion: String(change.revision) });
  return { type: "DELETED", object: last };
}

function matcher(call: Call): Predicate {
  const selected = selection(call.query, call.resource) ?? (() => true);
  return (object) =>
    (call.namespace === "" || object.metadata.namespace === call.namespace) &&
    (call.name === "" || object.metadata.name === call.name) &&
    selected(object);
}

function bookmark(call: Call, isInitialEnd: boolean): WatchEvent {
  const annotations = isInitialEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
  const metadata = { resourceVersion: String(call.cluster.store.revision()), ...annotations };
  return { type: "BOOKMARK", object: { kind: call.resource.kind, apiVersion: groupVersion(call.resource), metadata } };
}

/** True when the client asks for the current objects as events before the changes. */
function wantsInitialEvents(call: Call): boolean {
  const asked = call.query.get("sendInitialEvents");
  if (asked === null) return requestedRevision(call) === 0;
  if (call.query.get("resourceVersionMatch") !== "NotOlderThan") {
    throw badRequest(
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
    );
  }
  return asked === "true";
}

function missed(call: Call, matches: Predicate): WatchEvent[] {
  const from = requestedRevision(call);
  const changes = call.cluster.store.since(keyOf(call.resource), from);
  if (changes === undefined) {
    const { status } = expired(`too old resource version: ${from} (${call.cluster.store.revision()})`);
    return [{ type: "ERROR", object: status }];
  }
  return changes.flatMap((change) => eventOf(change, call, matches) ?? []);
}

function opening(call: Call, matches: Predicate): WatchEvent[] {
  if (!wantsInitialEvents(call)) return requestedRevision(call) === 0 ? [] : missed(call, matches);
  const current = call.cluster.store
    .list(keyOf(call.resource))
    .map((object) => fromStored(call.resource, object))
    .filter(matches);
  const events: WatchEvent[] = current.map((object) => ({ type: "ADDED", object }));
  const isMarked = call.query.get("sendInitialEvents") === "true" && call.query.get("allowWatchBookmarks") === "true";
  return isMarked ? [...events, bookmark(call, true)] : events;
}

export function watchPlan(call: Call): WatchPlan {
  const matches = matcher(call);
  const key = keyOf(call.resource);
  const seconds = Number(call.query.get("timeoutSeconds") ?? 0);
  return {
    first: opening(call, matches),
    timeoutMs: seconds > 0 ? seconds * 1000 : LONGEST_WATCH_MS,
    follow: (send) => {
      const unsubscribe = call.cluster.store.subscribe((change) => {
        if (change.key !== key) return;
        const event = eventOf(change, call, matches);
        if (event !== undefined) send(event);
      });
      const wantsBookmarks = call.query.get("allowWatchBookmarks") === "true";
      const timer = wantsBookmarks ? setInterval(() => send(bookmark(call, false)), BOOKMARK_EVERY_MS) : undefined;
      return () => {
        unsubscribe();
        clearInterval(timer);
      };
    },
  };
}
