import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { KubeObject } from "./object.ts";
import type { ApiServer } from "./start.ts";
import { startApiServer } from "./start.ts";

interface Answer {
  code: number;
  body: KubeObject & { items?: KubeObject[]; code?: number; reason?: string; message?: string };
}

let server: ApiServer;
const MAPS = "/api/v1/namespaces/default/configmaps";

beforeEach(async () => {
  server = await startApiServer({ watchWindow: 5 });
});
afterEach(() => server.stop());

async function call(method: string, path: string, body?: unknown, type = "application/json"): Promise<Answer> {
  const response = await fetch(server.url + path, {
    method,
    headers: { "content-type": type },
    body: body === undefined ? null : JSON.stringify(body),
  });
  return { code: response.status, body: (await response.json()) as Answer["body"] };
}

const map = (name: string, metadata: object = {}): object => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
});

interface Watch {
  next(): Promise<{ type: string; object: KubeObject & { code?: number } }>;
  close(): void;
}

/** A watch whose events are awaited one by one. */
async function watch(path: string): Promise<Watch> {
  const controller = new AbortController();
  const response = await fetch(`${server.url}${path}`, { signal: controller.signal });
  if (response.body === null) throw new Error("a watch has a body");
  const chunks = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let text = "";
  return {
    close: () => controller.abort(),
    next: async () => {
      while (!text.includes("\n")) {
        const { value, done } = await chunks.next();
        if (done === true) throw new Error("the watch ended");
        text += String(value);
      }
      const end = text.indexOf("\n");
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      return JSON.parse(line) as Awaited<ReturnType<Watch["next"]>>;
    },
  };
}

/** Resolves when the object is gone. */
async function gone(path: string): Promise<void> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const collection = path.slice(0, path.lastIndexOf("/"));
  const { body } = await call("GET", collection);
  if (body.items?.every((item) => item.metadata.name !== name) === true) return;
  const watching = await watch(`${collection}?watch=true&resourceVersion=${body.metadata.resourceVersion}`);
  for (;;) {
    const { type, object } = await watching.next();
    if (type === "DELETED" && object.metadata.name === name) break;
  }
  watching.close();
}

describe("the embedded API server", () => {
  it("refuses an update from an older version", async () => {
    const { body: first } = await call("POST", MAPS, map("a"));
    await call("PUT", `${MAPS}/a`, { ...first, data: { k: "1" } });
    const late = await call("PUT", `${MAPS}/a`, { ...first, data: { k: "2" } });
    expect(late).toMatchObject({ code: 409, body: { reason: "Conflict" } });
  });

  it("writes nothing to a watch whose time is up, however slowly its client reads", async () => {
    const data = { text: "x".repeat(900_000) };
    for (let n = 0; n < 20; n++) await call("POST", MAPS, { ...map(`large-${n}`), data });
    const reader = connect(Number(new URL(server.url).port), "127.0.0.1");
    reader.pause();
    reader.write(
      `GET ${MAPS}?watch=true&resourceVersion=0&timeoutSeconds=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    // Nobody reads it: what was written when the time is up is far from sent.
    const until = performance.now() + 2_500;
    for (let n = 0; performance.now() < until; n++)
      expect((await call("PUT", `${MAPS}/large-0`, { ...map("large-0"), data: { n: String(n) } })).code).toBe(200);
    let bytes = 0;
    for await (const chunk of reader) bytes += (chunk as Buffer).length;
    expect(bytes).toBeGreaterThan(19 * data.text.length);
  });

  it("delivers changes to a watch at once and in order, and only those selected", async () => {
    const watching = await watch(`${MAPS}?watch=true&labelSelector=in%3Dyes`);
    await call("POST", MAPS, map("other"));
    const { body } = await call("POST", MAPS, map("a", { labels: { in: "yes" } }));
    expect(await watching.next()).toMatchObject({ type: "ADDED", object: { metadata: { name: "a" } } });
    await call("PUT", `${MAPS}/a`, { ...body, metadata: { ...body.metadata, labels: {} } });
    expect(await watching.next()).toMatchObject({ type: "DELETED", object: { metadata: { name: "a" } } });
    watching.close();
  });

  it("ends the initial events of a watch-list with a marked bookmark", async () => {
    await call("POST", MAPS, map("a"));
    const query = "watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    const watching = await watch(`${MAPS}?${query}`);
    expect((await watching.next()).type).toBe("ADDED");
    const { type, object } = await watching.next();
    expect([type, object.metadata.annotations]).toEqual(["BOOKMARK", { "k8s.io/initial-events-end": "true" }]);
    watching.close();
  });

  it("tells a watch that is too far behind to list again", async () => {
    const { body } = await call("POST", MAPS, map("a"));
    for (let i = 0; i < 20; i += 1) await call("POST", MAPS, map(`b${i}`));
    const watching = await watch(`${MAPS}?watch=true&resourceVersion=${body.metadata.resourceVersion}`);
    expect(await watching.next()).toMatchObject({ type: "ERROR", object: { code: 410 } });
  });

  it("shows all pages of a list as they were at its first", async () => {
    for (const name of ["a", "b", "c"]) await call("POST", MAPS, map(name));
    const first = await call("GET", `${MAPS}?limit=2`);
    const { continue: token } = first.body.metadata as unknown as { continue: string };
    await call("DELETE", `${MAPS}/c`);
    await call("POST", MAPS, map("d"));
    const rest = await call("GET", `${MAPS}?limit=2&continue=${token}`);
    expect(rest.body.items?.map((item) => item.metadata.name)).toEqual(["c"]);
  });

  it("gives the rows of a table whole objects that say what they are, for kubectl --sort-by", async () => {
    await call("POST", MAPS, map("a"));
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const response = await fetch(`${server.url}${MAPS}?includeObject=Object`, { headers: { accept } });
    const { rows } = (await response.json()) as { rows: { object: KubeObject }[] };
    expect(rows.map((row) => row.object)).toMatchObject([
      { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } },
    ]);
  });

  it("deletes children with their owner, or before it, or leaves them", async () => {
    const child = async (name: string, owner: KubeObject): Promise<void> => {
      const reference = { apiVersion: "v1", kind: "ConfigMap", name: owner.metadata.name, uid: owner.metadata.uid };
      await call("POST", MAPS, map(name, { ownerReferences: [{ ...reference, blockOwnerDeletion: true }] }));
    };
    for (const policy of ["Background", "Foreground", "Orphan"]) {
      const owner = (await call("POST", MAPS, map(`owner-${policy.toLowerCase()}`))).body;
      await child(`child-${policy.toLowerCase()}`, owner);
      await call("DELETE", `${MAPS}/${owner.metadata.name}`, { propagationPolicy: policy });
      await gone(`${MAPS}/${owner.metadata.name}`);
    }
    await gone(`${MAPS}/child-background`);
    await gone(`${MAPS}/child-foreground`);
    const { body } = await call("GET", `${MAPS}/child-orphan`);
    expect(body.metadata.ownerReferences).toBeUndefined();
  });

  it("keeps an object with finalizers until the last one is removed", async () => {
    await call("POST", MAPS, map("held", { finalizers: ["weir.dev/job"] }));
    const deleted = await call("DELETE", `${MAPS}/held`);
    expect(deleted.body.metadata.deletionTimestamp).toBeDefined();
    const merge = "application/merge-patch+json";
    await call("PATCH", `${MAPS}/held`, { metadata: { finalizers: null } }, merge);
    expect((await call("GET", `${MAPS}/held`)).code).toBe(404);
  });

  it("empties a namespace that is deleted, and takes nothing new into it", async () => {
    await call("POST", "/api/v1/namespaces", { apiVersion: "v1", kind: "Namespace", metadata: { name: "brief" } });
    const inside = "/api/v1/namespaces/brief/configmaps";
    await call("POST", inside, map("a", { finalizers: ["weir.dev/job"] }));
    await call("DELETE", "/api/v1/namespaces/brief");
    expect((await call("POST", inside, map("b"))).code).toBe(403);
    await call("PATCH", `${inside}/a`, { metadata: { finalizers: null } }, "application/merge-patch+json");
    await gone("/api/v1/namespaces/brief");
  });

  it("gives a pod on a node its grace, which the kubelet ends", async () => {
    const pods = "/api/v1/namespaces/default/pods";
    const spec = { nodeName: "local", containers: [{ name: "a", image: "b:1" }], terminationGracePeriodSeconds: 7 };
    await call("POST", pods, { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec });
    const { body } = await call("DELETE", `${pods}/p`);
    expect(body.metadata.deletionGracePeriodSeconds).toBe(7);
    await call("DELETE", `${pods}/p`, { gracePeriodSeconds: 0, preconditions: { uid: body.metadata.uid } });
    expect((await call("GET", `${pods}/p`)).code).toBe(404);
  });

  it("deletes only what the preconditions name", async () => {
    await call("POST", MAPS, map("a"));
    const answer = await call("DELETE", `${MAPS}/a`, { preconditions: { uid: "another" } });
    expect(answer).toMatchObject({ code: 409, body: { reason: "Conflict" } });
  });

  it("refuses bodies of more than 3 MiB", async () => {
    const answer = await call("POST", MAPS, { ...map("large"), data: { k: "x".repeat(3 * 1024 * 1024) } });
    expect(answer.code).toBe(413);
  });

  it("stores nothing on a dry run", async () => {
    expect((await call("POST", `${MAPS}?dryRun=All`, map("a"))).code).toBe(201);
    expect((await call("GET", `${MAPS}/a`)).code).toBe(404);
  });

  it("reads core events and events.k8s.io events as one kind", async () => {
    const event = {
      metadata: { name: "e" },
      regarding: { kind: "StreamingJob", name: "one" },
      note: "started",
      type: "Normal",
      reason: "Started",
      eventTime: "2026-01-01T00:00:00.000000Z",
    };
    await call("POST", "/apis/events.k8s.io/v1/namespaces/default/events", event);
    const { body } = await call("GET", "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Done");
    expect(body.items?.map((item) => item["message"])).toEqual(["started"]);
  });

  it("streams the log of a pod from whoever runs it", async () => {
    server.servePodLogs(async function* logs({ container }) {
      yield `${container} says hello\n`;
    });
    const pods = "/api/v1/namespaces/default/pods";
    const spec = { nodeName: "local", containers: [{ name: "worker", image: "b:1" }] };
    await call("POST", pods, { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec });
    const response = await fetch(`${server.url}${pods}/p/log`);
    expect(await response.text()).toBe("worker says hello\n");
  });
});
