import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectorContext } from "../../../../test/builders/connector-context.ts";
import { httpLookup } from "./lookup.ts";

const asked: string[] = [];
const server = createServer((request, response) => {
  asked.push(request.url ?? "");
  response.end("{}");
});
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve)));
afterAll(() => void server.close());

const found = async (key: unknown, path = "/goods/{key}"): Promise<unknown> => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`;
  const backend = httpLookup.open({ url, path }, connectorContext().source);
  try {
    return (await backend.find([key], AbortSignal.timeout(10_000)))[0];
  } finally {
    await backend.close();
  }
};

it.each([".", "..", ["a", "..", "..", "admin"], ["..", "x"]])("asks for nothing outside its path: %j", async (key) => {
  asked.length = 0;
  expect(await found(key)).toMatchObject({ problem: expect.stringContaining("/goods/") as string });
  expect(asked).toEqual([]);
});

it.each([
  ["a/../b", "/api/goods/a%2F..%2Fb"],
  ["...", "/api/goods/..."],
  ["a.b", "/api/goods/a.b"],
  ["\ud800", "/api/goods/%EF%BF%BD"],
])("escapes a key: %j", async (key, at) => {
  asked.length = 0;
  expect(await found(key)).toHaveProperty("rows");
  expect(asked).toEqual([at]);
});

it("takes dots behind the question mark", async () => {
  asked.length = 0;
  expect(await found("..", "/goods?id={key}")).toHaveProperty("rows");
  expect(asked).toEqual(["/api/goods?id=.."]);
});
