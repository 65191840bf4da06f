import { describe, expect, it } from "vitest";
import type { WatchedNamespace } from "../controllers/namespace-watch.ts";
import { namespaceLog, notReady, refusals } from "./readiness.ts";

const open: WatchedNamespace = { name: "a", state: "Open", problem: undefined };
const refused: WatchedNamespace = { name: "b", state: "Refused", problem: "list pods b: forbidden" };
const syncing: WatchedNamespace = { name: "c", state: "Syncing", problem: undefined };
const everywhere: WatchedNamespace = { name: undefined, state: "Refused", problem: "list pods: forbidden" };

describe("the operator's readiness", () => {
  it("waits for namespaces of which nothing is known, and names them", () => {
    expect(notReady([open, syncing])).toBe("not synced yet: namespace c");
  });

  it("does not wait for one that is refused, and remarks on it", () => {
    expect(notReady([open, refused])).toBeUndefined();
    expect(refusals([open, refused])).toBe("not watched: namespace b (list pods b: forbidden)");
    expect(refusals([open])).toBeUndefined();
  });

  it("is never there without a namespace to look after", () => {
    expect(notReady([refused])).toBe("no namespace can be watched: namespace b (list pods b: forbidden)");
    expect(notReady([everywhere])).toContain("all namespaces");
  });
});

describe("the operator's log", () => {
  it("tells a refusal once, however often it is asked, and that it is over", () => {
    const lines: string[] = [];
    const tell = namespaceLog((level, message) => void lines.push(`${level} ${message}`));
    for (const namespace of [
      refused,
      { ...refused, problem: "list jobs b: forbidden" },
      { ...refused, state: "Open" as const },
    ])
      tell(namespace);
    tell(open);
    expect(lines).toEqual([
      expect.stringMatching(/^warn namespace b is not watched: list pods b: forbidden; bind the operator to a Role/),
      "info namespace b is watched now",
    ]);
  });
});
