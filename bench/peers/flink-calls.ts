import { setTimeout as delay } from "node:timers/promises";

/** Flink's two REST APIs, as far as the bench needs them. */
export async function getJson<T>(url: string): Promise<T> {
  return answered<T>(await fetch(url));
}

async function postJson<T>(url: string, body: unknown): Promise<T> {
  const headers = { "content-type": "application/json" };
  return answered<T>(await fetch(url, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function answered<T>(response: Response): Promise<T> {
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${reasonIn(text)}`);
  return JSON.parse(text) as T;
}

/** Of a list of stack traces, the causes. */
function reasonIn(text: string): string {
  const causes = text.replaceAll("\\n", "\n").match(/^.*(Caused by|Exception:).*$/gm);
  return (causes?.join("\n") ?? text).slice(0, 3000);
}

/** Runs the statements in a session of their own; the id of the job that the last one starts. */
export async function runStatements(gateway: string, sql: string, settings: object): Promise<string> {
  const session = await openSession(gateway, settings);
  let result: StatementResult | undefined;
  for (const statement of statementsOf(sql)) result = await session.run(statement);
  await session.close();
  const job = result?.results.data[0]?.fields[0];
  if (typeof job !== "string") throw new Error("the last statement started no job");
  return job;
}

export interface FlinkSession {
  /** The first page of what the statement gives. */
  run(statement: string): Promise<StatementResult>;
  /** Pages of what a query gives, as they come, to the end of its job. Who leaves before ends the job. */
  pages(query: string): AsyncGenerator<StatementResult>;
  close(): Promise<void>;
}

export async function openSession(gateway: string, settings: object): Promise<FlinkSession> {
  const { sessionHandle } = await postJson<{ sessionHandle: string }>(`${gateway}/v1/sessions`, {
    properties: settings,
  });
  const session = `${gateway}/v1/sessions/${sessionHandle}`;
  const begun = async (statement: string): Promise<string> => {
    const { operationHandle } = await postJson<{ operationHandle: string }>(`${session}/statements`, { statement });
    return `${session}/operations/${operationHandle}`;
  };
  return {
    run: async (statement) => resultOf(await begun(statement)),
    pages: async function* (query) {
      const operation = await begun(query);
      try {
        let page = await resultOf(operation);
        while (page.resultType !== "EOS") {
          yield page;
          if (page.results.data.length === 0) await delay(50);
          page = await getJson(new URL(page.nextResultUri, gateway).href);
        }
      } finally {
        await fetch(`${operation}/close`, { method: "DELETE" });
      }
    },
    close: async () => {
      await fetch(session, { method: "DELETE" });
    },
  };
}

export const statementsOf = (sql: string): string[] =>
  sql
    .split(/;\s*(?:\n|$)/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");

/** A page of it. */
export interface StatementResult {
  readonly resultType: "PAYLOAD" | "NOT_READY" | "EOS";
  readonly results: {
    readonly columns: readonly { readonly name: string; readonly logicalType: { readonly type: string } }[];
    readonly data: readonly { readonly kind: RowKind; readonly fields: readonly unknown[] }[];
  };
  readonly nextResultUri: string;
}
export type RowKind = "INSERT" | "UPDATE_BEFORE" | "UPDATE_AFTER" | "DELETE";

async function resultOf(operation: string): Promise<StatementResult> {
  for (;;) {
    const { status } = await getJson<{ status: string }>(`${operation}/status`);
    // What went wrong is in the answer to the question for the result.
    if (status === "FINISHED" || status === "ERROR") return getJson(`${operation}/result/0?rowFormat=JSON`);
    await delay(50);
  }
}

export interface JobState {
  readonly state: string;
  readonly vertices: readonly { readonly status: string }[];
}

export const jobState = (jobs: string, id: string): Promise<JobState> => getJson(`${jobs}/jobs/${id}`);

interface Subtask {
  readonly "end-time": number;
  readonly "status-duration": { readonly RUNNING: number };
}

/** When the last task of a job that has ended began to run, in ms since 1970. */
export async function runningSince(jobs: string, id: string): Promise<number> {
  const { vertices } = await getJson<{ vertices: { id: string }[] }>(`${jobs}/jobs/${id}`);
  const details = await Promise.all(
    vertices.map((vertex) => getJson<{ subtasks: Subtask[] }>(`${jobs}/jobs/${id}/vertices/${vertex.id}`)),
  );
  const subtasks = details.flatMap((vertex) => vertex.subtasks);
  return Math.max(...subtasks.map((task) => task["end-time"] - task["status-duration"].RUNNING));
}

export async function jobFailure(jobs: string, id: string): Promise<string> {
  const { exceptionHistory } = await getJson<{ exceptionHistory: { entries: { stacktrace: string }[] } }>(
    `${jobs}/jobs/${id}/exceptions`,
  );
  return reasonIn(exceptionHistory.entries.map((entry) => entry.stacktrace).join("\n"));
}

/** Does not wait for it. */
export async function triggerCheckpoint(jobs: string, id: string): Promise<void> {
  await postJson(`${jobs}/jobs/${id}/checkpoints`, { checkpointType: "CONFIGURED" });
}
