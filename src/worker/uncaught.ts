import type { WorkerFailure } from "../api/worker-protocol.ts";

/** As `modules.ts` names the user's modules. */
const USERS_FRAME = /\/(?:module_)?([^/?]+)\?sha256=[0-9a-f]+(:\d+:\d+)\)?$/m;

/**
 * What was thrown outside of every call, where no `onError` can answer it: by a timer or a promise that the user's module
 * made, an event of one of its sockets, or by Weir. What it leaves half done nobody knows, so the process ends by it.
 */
export function uncaughtFailure(error: unknown): WorkerFailure {
  const told = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const [, file, place] = USERS_FRAME.exec(error instanceof Error ? (error.stack ?? "") : "") ?? [];
  if (file === undefined) return { code: "INTERNAL", message: `nobody caught ${told}`, restartable: true };
  const message = `the module ${file}${place} threw ${told} where nobody catches it, in a timer or a promise of its own; catch it there`;
  return { code: "FUNCTION_FAILED", message, restartable: true };
}
