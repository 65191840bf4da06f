/** Replays recorded calls against a server, in their order, with the uids and revisions of this server instead of the recorded ones. */
import { Agent, request } from "undici";
import type { RecordedCall } from "./recording-proxy.ts";
import { isWatchPath, learnedFrom } from "./recording-proxy.ts";

export interface ReplayedAnswer {
  readonly call: RecordedCall;
  readonly code: number;
  readonly contentType: string;
  readonly warnings: readonly string[];
  /** Parsed JSON, or text; the list of events of a watch. */
  readonly body: unknown;
}

export interface ReplayTarget {
  readonly url: string;
  readonly token?: string;
}

const WATCH_PATIENCE_MS = 30_000;

/** Values of the recording and what they are on this server. */
interface Translation {
  readonly uids: Map<string, string>;
  readonly revisions: Map<string, string>;
  readonly tokens: Map<string, string>;
}

function learn(into: Translation, call: RecordedCall, body: unknown): void {
  const here = new Map(learnedFrom(body));
  for (const [pointer, value] of call.learned ?? []) {
    const now = here.get(pointer);
    if (now === undefined) continue;
    if (pointer.endsWith("/uid")) into.uids.set(value, now);
    else if (pointer.endsWith("/continue")) into.tokens.set(value, now);
    else into.revisions.set(value, now);
  }
}

function translate(text: string, by: Translation): string {
  let out = text;
  for (const [recorded, here] of by.uids) out = out.replaceAll(recorded, here);
  for (const [recorded, here] of by.tokens)
    out = out.replaceAll(encodeURIComponent(recorded), encodeURIComponent(here));
  const inQuery = /(resourceVersion=)(\d+)/g;
  const inBody = /("resourceVersion":\s*")(\d+)(")/g;
  const inPatch = /(metadata\/resourceVersion","value":\s*")(\d+)(")/g;
  const renamed = (recorded: string): string => by.revisions.get(recorded) ?? recorded;
  return out
    .replaceAll(inQuery, (_, before: string, recorded: string) => before + renamed(recorded))
    .replaceAll(inPatch, (_, before: string, recorded: string, after: string) => before + renamed(recorded) + after)
    .replaceAll(inBody, (_, before: string, recorded: string, after: string) => before + renamed(recorded) + after);
}

/** The hash of an OpenAPI document changes with every definition; a wrong one is only redirected. */
function withoutHash(path: string): string {
  return path.replace(/(\/openapi\/v3\/[^?]*)\?hash=[0-9A-F]+&?/, "$1?");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function eventsIn(text: string): unknown[] {
  const complete = text.slice(0, text.lastIndexOf("\n") + 1);
  return complete
    .split("\n")
    .filter((line) => line !== "")
    .map(parsed)
    .filter((event) => !JSON.stringify(event).startsWith('{"type":"BOOKMARK"'));
}

export async function replay(calls: readonly RecordedCall[], target: ReplayTarget): Promise<ReplayedAnswer[]> {
  const dispatcher = new Agent({ connect: { rejectUnauthorized: false }, headersTimeout: 0, bodyTimeout: 0 });
  const translation: Translation = { uids: new Map(), revisions: new Map(), tokens: new Map() };
  const answers: Promise<ReplayedAnswer>[] = [];
  const recordingOver = new AbortController();

  const send = async (call: RecordedCall, signal?: AbortSignal) => {
    const text = call.body === undefined ? null : translate(call.body, translation);
    const body = call.base64 === undefined ? text : Buffer.from(call.base64, "base64");
    const authorization = target.token === undefined ? {} : { authorization: `Bearer ${target.token}` };
    const answer = await request(`${target.url}${translate(withoutHash(call.path), translation)}`, {
      method: call.method as "GET",
      headers: { ...call.headers, ...authorization },
      body,
      dispatcher,
      ...(signal === undefined ? {} : { signal }),
    });
    const { warning } = answer.headers;
    const warnings = warning === undefined ? [] : [warning].flat();
    const contentType = String(answer.headers["content-type"] ?? "");
    return { answer, meta: { call, code: answer.statusCode, contentType, warnings } };
  };

  /** Reads until as many events came as were recorded, or the calls are over and patience too. */
  const watch = async (call: RecordedCall): Promise<ReplayedAnswer> => {
    const enough = new AbortController();
    const { answer, meta } = await send(call, enough.signal);
    if (meta.code !== 200) return { ...meta, body: parsed(await answer.body.text()) };
    let text = "";
    const giveUp = (): void => void setTimeout(() => enough.abort(), WATCH_PATIENCE_MS).unref();
    if (recordingOver.signal.aborted) giveUp();
    else recordingOver.signal.addEventListener("abort", giveUp);
    try {
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
        text += Buffer.from(chunk).toString();
        if (eventsIn(text).length >= (call.events ?? 0)) break;
      }
    } catch (e) {
      if (!enough.signal.aborted) throw e;
    } finally {
      recordingOver.signal.removeEventListener("abort", giveUp);
    }
    return { ...meta, body: eventsIn(text).slice(0, call.events) };
  };

  try {
    for (const call of calls) {
      if (isWatchPath(call.path)) {
        // A watch stays open while the calls after it go on.
        answers.push(watch(call));
        continue;
      }
      const { answer, meta } = await send(call);
      const body = parsed(await answer.body.text());
      learn(translation, call, body);
      answers.push(Promise.resolve({ ...meta, body }));
    }
    recordingOver.abort();
    return await Promise.all(answers);
  } finally {
    await dispatcher.destroy();
  }
}
