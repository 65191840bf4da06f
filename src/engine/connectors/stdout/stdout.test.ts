import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { connectorContext, outRecord } from "../../../../test/builders/connector-context.ts";
import { blackholeSink } from "../blackhole/sink.ts";

describe("the stdout sink", () => {
  it("writes each record as a line to the process's standard output, all of it by the flush", async () => {
    const script = `
      import { stdoutSink } from ${JSON.stringify(join(import.meta.dirname, "sink.ts"))};
      const sink = await stdoutSink.open({}, {});
      for (let i = 0; i < 1000; i++) {
        const value = Buffer.from("xx" + JSON.stringify({ i }));
        sink.append({ value, start: 2, end: value.length, key: undefined, keyStart: 0, keyEnd: -1, ts: 0 });
      }
      await sink.flush();
      process.exit(0);`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
    expect(stdout).toBe(Array.from({ length: 1000 }, (_, i) => `{"i":${i}}\n`).join(""));
  });
});

describe("the blackhole sink", () => {
  it("counts what it takes and is never full", async () => {
    const writer = await blackholeSink.open({}, connectorContext().sink);
    for (let i = 0; i < 3; i++) writer.append(outRecord(null, "abcd", 0));
    await writer.flush();
    expect(writer.counters()).toEqual({ records: 3, bytes: 12 });
    expect(writer.saturated()).toBe(false);
    await writer.close();
  });
});
