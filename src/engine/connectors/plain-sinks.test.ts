import { expect, it, vi } from "vitest";
import { connectorContext, outRecord } from "../../../test/builders/connector-context.ts";
import { sinkContract } from "../../../test/builders/sink-contract.ts";
import { blackholeSink } from "./blackhole/sink.ts";
import { stdoutSink } from "./stdout/sink.ts";

sinkContract("the blackhole", () => Promise.resolve({ open: (context) => blackholeSink.open({}, context) }), {
  commits: "Never",
  neverFull: true,
});

it("counts no bytes of a tombstone in the blackhole", async () => {
  const sink = await blackholeSink.open({}, connectorContext().sink);
  for (const record of [outRecord(null, "abc", 0), { ...outRecord(null, "abc", 0), end: -1 }]) sink.append(record);
  expect(sink.counters()).toEqual({ records: 2, bytes: 3 });
});

sinkContract(
  "standard output",
  () => {
    let text = "";
    const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk, callback) => {
      text += String(chunk);
      setImmediate(() => (callback as (() => void) | undefined)?.());
      return true;
    });
    return Promise.resolve({
      open: async (context) => {
        const writer = await stdoutSink.open({}, context);
        return { ...writer, close: () => writer.close().finally(() => write.mockRestore()) };
      },
      ids: () =>
        Promise.resolve(text.split("\n").slice(0, -1)).then((lines) =>
          lines.map((line) => (JSON.parse(line) as { id: number }).id),
        ),
    });
  },
  { commits: "Never" },
);
