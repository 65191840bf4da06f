/** Once for a run of the project: the real node, with the image loaded. */
import type { TestProject } from "vitest/node";
import type { StartedNode } from "../servers/node-start.ts";
import { startNode } from "../servers/node-start.ts";

let node: StartedNode | undefined;

export async function setup(project: TestProject): Promise<void> {
  node = await startNode((line) => console.log(line));
  project.provide("node", node.facts);
}

export async function teardown(): Promise<void> {
  await node?.stop();
}
