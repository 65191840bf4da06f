import { describe, expect, it } from "vitest";
import type { KubeRequest } from "../../kube/call.ts";
import type { CrashPoint } from "./crash-point.ts";
import { crashingCalls } from "./crash-point.ts";

const request = (method: "GET" | "PUT"): KubeRequest => ({
  call: { verb: method === "GET" ? "get" : "update", group: "", resource: "pods" },
  method,
  path: "/",
});

/** Three writes with a read in between; says which reached the server and which the caller knows of. */
async function run(point: CrashPoint | undefined) {
  let crashes = 0;
  const crash = crashingCalls(point, () => crashes++);
  const reached: number[] = [];
  const known: number[] = [];
  for (const i of [1, 2, 3]) {
    await crash.intercept(request("GET"), () => Promise.resolve()).catch(() => undefined);
    const write = (): Promise<void> => {
      reached.push(i);
      return Promise.resolve();
    };
    const sent = i === 3 ? crash.around(write) : crash.intercept(request("PUT"), write);
    await sent.then(
      () => known.push(i),
      () => undefined,
    );
  }
  return { reached, known, crashes, hasCrashed: crash.hasCrashed, writes: crash.writes.length };
}

describe("a crash point", () => {
  it("counts writes and nothing else when nothing crashes", async () => {
    expect(await run(undefined)).toEqual({
      reached: [1, 2, 3],
      known: [1, 2, 3],
      crashes: 0,
      hasCrashed: false,
      writes: 3,
    });
  });

  it.each([
    ["BeforeSend", [1], [1]],
    ["BeforeAcknowledgement", [1, 2], [1]],
    ["AfterAcknowledgement", [1, 2], [1, 2]],
  ] as const)("%s of the second write leaves exactly that", async (when, reached, known) => {
    expect(await run({ write: 2, when })).toEqual({ reached, known, crashes: 1, hasCrashed: true, writes: 2 });
  });

  it("lets nobody read any more, and hides what was in flight", async () => {
    const crash = crashingCalls({ write: 2, when: "BeforeSend" });
    const inFlight = Promise.withResolvers<string>();
    const first = crash.intercept(request("PUT"), () => inFlight.promise);
    await expect(crash.intercept(request("PUT"), () => Promise.resolve())).rejects.toThrow("crashed here");
    inFlight.resolve("done");
    await expect(first).rejects.toThrow("crashed here");
    await expect(crash.intercept(request("GET"), () => Promise.resolve())).rejects.toThrow("crashed here");
  });
});
