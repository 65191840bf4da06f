import { expect, it } from "vitest";
import { connectorContext } from "../../../../test/builders/connector-context.ts";
import { sqlLookup } from "./lookup.ts";
import type { Dialect, SqlSession } from "./session.ts";

it("leaves no connection open that came too late for its question", async () => {
  const open = new Set<number>();
  const connecting: PromiseWithResolvers<void>[] = [];
  const dialect = {
    quote: (name: string) => name,
    connect: async () => {
      const number = connecting.length;
      const gate = Promise.withResolvers<void>();
      connecting.push(gate);
      await gate.promise;
      open.add(number);
      const close = (): Promise<void> => Promise.resolve(void open.delete(number));
      const column = { name: "id", type: "text", required: true, generated: false };
      return {
        lost: false,
        close,
        describe: async () => ({ columns: [column], uniqueKeys: [] }),
      } as unknown as SqlSession;
    },
  } as unknown as Dialect;
  const find = async (): Promise<[]> => [];
  const config = { host: "h", database: "d", table: "t", keyColumns: ["id"] };
  const backend = sqlLookup({ dialect, batch: 1, find }).open(config, connectorContext().source);
  const limit = new AbortController();
  const late = backend.find(["a"], limit.signal);
  limit.abort(new Error("no answer in time"));
  const again = backend.find(["a"], new AbortController().signal);
  connecting[1]?.resolve();
  await again;
  connecting[0]?.resolve();
  await expect(late).rejects.toThrow("no answer in time");
  expect([...open]).toEqual([1]);
  await backend.close();
  expect([...open]).toEqual([]);
});
