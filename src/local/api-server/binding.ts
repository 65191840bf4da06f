import { mapOf } from "./body.ts";
import type { Answer, Call } from "./call.ts";
import { isDryRun, now, stored } from "./call.ts";
import { keyOf } from "./conversion.ts";
import { mapAt, textAt } from "./json-value.ts";
import { kubeTime } from "./object.ts";
import { badRequest, conflict } from "./status-error.ts";

/** POST pods/NAME/binding: gives a pod its node, once. What a scheduler does; here the kubelet does it itself. */
export function bind(call: Call): Answer {
  const pod = stored(call);
  const node = textAt(mapAt(mapOf(call.body, "a Binding"), "target"), "name");
  if (node === "") throw badRequest("target.name is required: the node to run the pod on");
  const assigned = textAt(pod["spec"], "nodeName");
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(call.resource, call.name, `pod ${call.name} is being deleted, cannot be assigned to a host`);
  }
  if (assigned !== "")
    throw conflict(call.resource, call.name, `pod ${call.name} is already assigned to node "${assigned}"`);
  const scheduled = {
    type: "PodScheduled",
    status: "True",
    lastProbeTime: null,
    lastTransitionTime: kubeTime(now(call)),
  };
  if (!isDryRun(call)) {
    call.cluster.store.put(keyOf(call.resource), {
      ...pod,
      spec: { ...mapAt(pod, "spec"), nodeName: node },
      status: { ...mapAt(pod, "status"), conditions: [scheduled] },
    });
  }
  return { code: 201, body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 } };
}
