import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { systemClock } from "../clock.ts";
import { eventStream } from "./events.ts";

const header = { jobUid: "u", epoch: 1, slot: 0, attempt: 0 };
const events = eventStream(header, systemClock);
const server = createServer((_, response) => events.follow(response));
afterEach(() => server.close());

it("says what comes before its end to whoever listens, and nothing afterwards", async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  events.publish({ type: "problem", problem: null });
  const reader = await fetch(url);
  await events.close();
  events.publish({ type: "problem", problem: null });
  const heard = await reader.text();
  expect(heard.trim().split("\n")).toHaveLength(1);
  expect(JSON.parse(heard)).toMatchObject({ ...header, type: "problem", seq: 0 });
  expect((await (await fetch(url)).text()).trim().split("\n")).toHaveLength(1);
});
