import type { ConnectorContext } from "../connector.ts";
import { readLogin } from "../credentials.ts";
import { pause } from "../until-reached.ts";
import type { SqlSinkConfig } from "./session.ts";

/** What the two drivers need alike. */
export const CONNECT_MS = 10_000;
const CLOSE_MS = 1_000;
const SEIZE_TRIES = 100;
const SEIZE_PAUSE_MS = 50;

/** User and password as the drivers name them, read anew for each connection; nothing for a connection without a Secret. */
export function loginOf(
  { secretRef }: Pick<SqlSinkConfig, "secretRef">,
  ctx: ConnectorContext,
): { user?: string; password?: string } {
  if (secretRef === undefined) return {};
  const { username: user, password } = readLogin(secretRef.name, ctx);
  return { user, password };
}

/** Asks for a lock until it is had; each try may end whoever holds it. */
export async function untilSeized(signal: AbortSignal, held: string, attempt: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < SEIZE_TRIES; tries++) {
    if (await attempt()) return;
    await pause(SEIZE_PAUSE_MS, signal);
  }
  throw new Error(held);
}

/** TCP waits for a server that went without a word for many minutes, and for one that is frozen for ever. */
export async function inTime<T>(answer: Promise<T>, ms: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`the server has not answered in ${ms} ms`)), ms);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A server that does not answer must not hold up the end of the job. */
export async function endOrDestroy(end: () => Promise<unknown>, destroy: () => void): Promise<void> {
  const { promise: destroyed, resolve } = Promise.withResolvers<void>();
  // A driver may say nothing more of what it has destroyed.
  const timer = setTimeout(() => resolve(destroy()), CLOSE_MS);
  await Promise.race([end().catch(() => undefined), destroyed]);
  clearTimeout(timer);
}
