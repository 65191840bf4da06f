import { request, Agent } from "undici";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allCrds } from "../../src/api/crd.ts";
import { API_VERSION, KINDS } from "../../src/api/group.ts";
import { startApiServer } from "../../src/local/api-server/start.ts";
import type { ApiObject, Case, Verdict } from "../fixtures/api/corpus.ts";
import { handWritten, mistyped, verdictOf } from "../fixtures/api/corpus.ts";
import { applyCrds, startControlPlane } from "../servers/kubernetes.ts";

/** What the corpus needs of an API server with the CRDs installed. */
interface Server {
  readonly url: string;
  readonly token: string;
  readonly ca: string | undefined;
  stop(): Promise<void>;
}

const servers: Record<string, () => Promise<Server>> = {
  "kube-apiserver": async () => {
    const cluster = await startControlPlane();
    await applyCrds(cluster);
    return cluster;
  },
  "the embedded API server": async () => {
    const server = await startApiServer();
    for (const crd of allCrds()) {
      const { statusCode, body } = await request(
        `${server.url}/apis/apiextensions.k8s.io/v1/customresourcedefinitions`,
        {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(crd),
        },
      );
      expect(statusCode, await body.text()).toBe(201);
    }
    return { url: server.url, token: "none", ca: undefined, stop: () => server.stop() };
  },
};

interface Answer {
  readonly accepted: boolean;
  readonly message: string;
}

async function send(server: Server, dispatcher: Agent, object: ApiObject): Promise<Answer> {
  const path = `/apis/${API_VERSION}/namespaces/default/${KINDS[object.kind].plural}`;
  const { statusCode, body } = await request(`${server.url}${path}?dryRun=All&fieldValidation=Strict`, {
    method: "POST",
    headers: { authorization: `Bearer ${server.token}`, "content-type": "application/json" },
    body: JSON.stringify(object),
    dispatcher,
  });
  const answer = (await body.json()) as { message?: string };
  if (statusCode === 201) return { accepted: true, message: "" };
  if (statusCode === 400 || statusCode === 422) return { accepted: false, message: answer.message ?? "" };
  throw new Error(`${object.kind} ${object.metadata.name}: HTTP ${statusCode} ${answer.message ?? ""}`);
}

/** The two verdicts that an API server can give. */
const admits = (verdict: Verdict): boolean => verdict !== "rejected";

describe.each(Object.keys(servers))("the corpus of API objects on %s", (name) => {
  let server: Server;
  let agent: Agent;
  const answers = new Map<Case, Answer>();
  const cases = [...handWritten("accepted"), ...handWritten("rejected"), ...handWritten("refused"), ...mistyped()];

  beforeAll(async () => {
    server = await (servers[name] as () => Promise<Server>)();
    agent = new Agent({ connections: 8, ...(server.ca === undefined ? {} : { connect: { ca: server.ca } }) });
    const queue = [...cases];
    const work = async (): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        answers.set(next, await send(server, agent, next.object));
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
  });

  afterAll(async () => {
    await agent?.close();
    await server?.stop();
  });

  it("gets the same verdict from the server and from the schemas", () => {
    const different = cases
      .filter((c) => answers.get(c)?.accepted !== admits(verdictOf(c.object)))
      .map((c) => `${c.title}: ${name} says ${answers.get(c)?.message || "accepted"}, zod says ${verdictOf(c.object)}`);
    console.log(`api corpus on ${name}: ${cases.length} objects sent, ${different.length} verdicts differ`);
    expect(different).toEqual([]);
  });

  it("gets the verdict that each object deserves", () => {
    const wrong = cases.filter((c) => answers.get(c)?.accepted !== admits(c.verdict));
    expect(wrong.map((c) => `${c.title}: ${answers.get(c)?.message || "accepted"}`)).toEqual([]);
  });

  it("tells the user why it rejects an object in the words of the rule", () => {
    const silent = cases
      .filter((c) => c.verdict === "rejected" && c.expected.length > 0)
      .filter((c) => !answers.get(c)?.message.includes(c.expected[0] ?? ""))
      .map((c) => `${c.title}: ${answers.get(c)?.message ?? ""}`);
    expect(silent).toEqual([]);
  });
});
