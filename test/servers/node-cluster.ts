/** The real node of the e2e tests, as a test uses it. `test/e2e/README.md` shows how. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, inject } from "vitest";
import type { CommandResult } from "./kubernetes.ts";
import { kubeBinary, runKubectl } from "./kubernetes.ts";
import { type NodeActions, nodeActions } from "./node-actions.ts";
import type { NodeFacts } from "./node-facts.ts";
import { type NodeNamespace, openNamespace } from "./node-namespace.ts";

export interface NodeCluster {
  readonly facts: NodeFacts;
  /** Runs kubectl and gives what it printed; rejects with its errors. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>;
  /** Never rejects for a non-zero exit. */
  tryKubectl(args: readonly string[], stdin?: string): Promise<CommandResult>;
  /** What `kubectl get … -o json` gives. */
  get<T>(args: readonly string[]): Promise<T>;
  /** A new namespace that enforces the restricted Pod Security profile. It is removed after the tests of the file. */
  namespace(name: string): Promise<NodeNamespace>;
  /** Things done to the node itself; absent on KinD. */
  readonly actions: NodeActions | undefined;
}

let opened = 0;

/** Call it at the top of a test file or in a `describe`, not in a hook: it cleans up after them. */
export function nodeCluster(): NodeCluster {
  const facts = inject("node");
  const dir = mkdtempSync(join(tmpdir(), "weir-e2e-"));
  const tryKubectl: NodeCluster["tryKubectl"] = async (args, stdin) =>
    runKubectl({ kube: await kubeBinary(), kubeconfigPath: facts.kubeconfigPath, dir }, args, stdin);
  const kubectl: NodeCluster["kubectl"] = async (args, stdin) => {
    const { code, stdout, stderr } = await tryKubectl(args, stdin);
    if (code !== 0) throw new Error(`kubectl ${args.join(" ")} ended with ${code}: ${stderr.trim()}`);
    return stdout;
  };
  const namespaces: NodeNamespace[] = [];
  const cluster: NodeCluster = {
    facts,
    kubectl,
    tryKubectl,
    get: async <T>(args: readonly string[]) => JSON.parse(await kubectl(["get", ...args, "-o", "json"])) as T,
    namespace: async (name) => {
      opened += 1;
      const namespace = await openNamespace(cluster, `${name}-${process.pid}-${opened}`);
      namespaces.push(namespace);
      return namespace;
    },
    actions: facts.cluster === undefined ? undefined : nodeActions(facts.cluster),
  };
  afterAll(async () => {
    await Promise.all(namespaces.map((namespace) => namespace.remove()));
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  return cluster;
}
