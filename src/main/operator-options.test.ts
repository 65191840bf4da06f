import { describe, expect, it } from "vitest";
import { operatorFlags } from "./operator-options.ts";

describe("the operator's flags", () => {
  it("come from the command line before the environment, and have defaults", () => {
    const flags = operatorFlags(["--token-key-file=/key", "--namespace=a"], {
      WEIR_NAMESPACE: "b",
      WEIR_LEADER_ELECT: "false",
    });
    expect(flags).toMatchObject({
      namespace: "a",
      "leader-elect": false,
      "metrics-bind": ":8081",
      "state-claim": "weir-state",
    });
  });

  it("are refused by name when they are wrong", () => {
    expect(() => operatorFlags([], {})).toThrow(/--token-key-file/);
    expect(() => operatorFlags(["--token-key-file=/k", "--metrics-bind=here"], {})).toThrow(
      /--metrics-bind: must be host:port/,
    );
    expect(() => operatorFlags(["--nonsense"], {})).toThrow(/nonsense/);
  });
});
