import { planIncompatibility } from "../../engine/checkpoint/compatibility.ts";
import type { EpochPlan } from "./epoch-plan.ts";
import { contentsOf } from "./epoch-plan.ts";
import { lifecycleSpec } from "./planned-job.ts";
import type { PlannedJob } from "./planned-job.ts";

/** Plans of epochs never change, and are read once. */
const running = new WeakMap<EpochPlan, Running>();
interface Running {
  readonly plan: ReturnType<typeof contentsOf>["plan"];
  readonly launchHash: string;
}
const found = new WeakMap<PlannedJob, { readonly of: EpochPlan; readonly misfit: string | undefined }>();

/** Why the state of the epoch that has this plan does not fit what the job's spec asks for now. */
export function planMisfit(wanted: PlannedJob, newest: EpochPlan | undefined): string | undefined {
  if (newest === undefined || wanted.plan === undefined) return undefined;
  const known = found.get(wanted);
  if (known?.of === newest) return known.misfit;
  const misfit = comparable(() => misfitOf(wanted, runningOf(newest)));
  found.set(wanted, { of: newest, misfit });
  return misfit;
}

/** A plan that somebody damaged, or that another Weir made: whether that fits is seen when the state is restored. */
function comparable(compare: () => string | undefined): string | undefined {
  try {
    return compare();
  } catch {
    return undefined;
  }
}

function misfitOf({ plan, spec }: PlannedJob, before: Running): string | undefined {
  if (plan === undefined || spec?.launchHash === before.launchHash || plan.version !== before.plan.version)
    return undefined;
  return planIncompatibility(before.plan, plan, spec?.startFrom ?? { allowNonRestoredState: false });
}

function runningOf(map: EpochPlan): Running {
  const known = running.get(map);
  if (known !== undefined) return known;
  const { plan, effective } = contentsOf(map);
  const fresh = { plan, launchHash: lifecycleSpec(effective, plan).launchHash };
  running.set(map, fresh);
  return fresh;
}
