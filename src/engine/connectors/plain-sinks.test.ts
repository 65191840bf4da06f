import { vi } from "vitest";
import { sinkContract } from "../../../test/builders/sink-contract.ts";
import { blackholeSink } from "./blackhole/sink.ts";
import { stdoutSink } from "./stdout/sink.ts";

sinkContract("the blackhole", () => Promise.resolve({ open: (context) => blackholeSink.open({}, context) }), {
  commits: "Never",
  neverFull: true,
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
