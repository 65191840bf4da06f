import type { Verdict } from "../../kube/work-queue.ts";
import { refOfKey } from "../../kube/resource.ts";
import { createWorkQueue } from "../../kube/work-queue.ts";
import type { Controller, ControllerContext } from "../caches.ts";
import { BY_NAMESPACE, cacheKey } from "../caches.ts";
import { policiesOf, windowSelects } from "../selection.ts";
import { writeStatus } from "../status-writer.ts";
import type { WeirObject } from "../weir-resources.ts";
import { maintenanceWindows } from "../weir-resources.ts";
import { windowStatus } from "./window-status.ts";

const FOLLOW_DELAY_MS = 2_000;
/** setTimeout counts in 31 bits of milliseconds; a far edge is looked at again once a day. */
const LONGEST_WAIT_MS = 86_400_000;

/** Keeps a window's own status. That a job sees its edges is decided in the reconciler of that job. */
export function createWindowController(context: ControllerContext): Controller {
  const { caches, timers, meter, onError } = context;
  const reconcile = async (key: string): Promise<Verdict> => {
    const window = caches.windows.get(key);
    if (window === undefined || window.metadata.deletionTimestamp !== undefined) return undefined;
    const near = caches.jobs.byIndex(BY_NAMESPACE, window.metadata.namespace ?? "");
    const jobs = near
      .filter((job) => windowSelects(window, job))
      .map((job) => ({ job, policies: policiesOf(job, caches) }));
    const now = timers.now();
    const { status, nextEdgeAt } = windowStatus({ window, jobs, now });
    await writeStatus(context, maintenanceWindows, window, status);
    return nextEdgeAt === undefined ? undefined : { requeueAfterMs: Math.min(nextEdgeAt - now, LONGEST_WAIT_MS) };
  };
  const queue = createWorkQueue({
    name: "maintenancewindow",
    process: reconcile,
    onError: (key, e) => onError("reconcile failed", e, { controller: "maintenancewindow", ...refOfKey(key) }),
    meter,
    timers,
  });

  caches.windows.onChange(({ object }) => queue.add(cacheKey(object)));
  const follow = ({ object }: { object: WeirObject }): void => {
    const near = caches.windows.byIndex(BY_NAMESPACE, object.metadata.namespace ?? "");
    for (const window of near) queue.addAfter(cacheKey(window), FOLLOW_DELAY_MS);
  };
  caches.policies.onChange(follow);
  caches.jobs.onChange(follow);
  return { queue, run: (signal) => queue.run(signal) };
}
