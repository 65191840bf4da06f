/** After a failed test: what is on the node, because nobody can look at it later. */
import { beforeEach, inject } from "vitest";
import { runScript } from "../servers/node-script.ts";
import { kubeBinary } from "../servers/kubernetes.ts";

const NOT_OURS = "metadata.namespace!=kube-system,metadata.namespace!=default";

beforeEach(({ onTestFailed }) => {
  onTestFailed(async ({ task }) => {
    const kube = await kubeBinary();
    const KUBECONFIG = inject("node").kubeconfigPath;
    const kubectl = (...args: readonly string[]): Promise<string> =>
      runScript(kube, ["kubectl", "--request-timeout=20s", ...args], { KUBECONFIG }).catch(String);
    const lines = [`what was on the node when "${task.name}" failed:`];
    lines.push(await kubectl("get", "streamingjobs,pods,pvc,leases", "-A", "-o", "wide", "--ignore-not-found"));
    lines.push(
      await kubectl(
        "get",
        "events",
        "-A",
        "--sort-by=.metadata.creationTimestamp",
        "--no-headers",
        "--field-selector",
        NOT_OURS,
      ).then(end(30)),
    );
    const pods = await kubectl("get", "pods", "-A", "--field-selector", NOT_OURS, "--no-headers");
    for (const line of pods
      .split("\n")
      .filter((text) => text !== "")
      .slice(0, 12)) {
      const [namespace = "", pod = ""] = line.split(/\s+/);
      lines.push(
        `--- ${namespace}/${pod}`,
        await kubectl("logs", "-n", namespace, pod, "--tail=20", "--all-containers"),
      );
    }
    console.error(lines.join("\n"));
  });
});

const end =
  (count: number) =>
  (text: string): string =>
    text.split("\n").slice(-count).join("\n");
