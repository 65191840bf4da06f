/** Argo CD's own Lua sandbox, with the scripts that it is given in argocd-cm. */
import { argocdSettings } from "../../scripts/gen/argocd.ts";
import { lineAnswers } from "./line-answers.ts";
import { toolBinary } from "./tools.ts";

export interface LuaQuestion {
  /** "health", "actions" (which there are), or an action's name: its answer is the merge patch that Argo CD would send. */
  readonly run: string;
  readonly object: object;
  readonly parameters?: Readonly<Record<string, string>>;
  /** Default: config/argocd. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface Health {
  readonly status: string;
  readonly message?: string;
}

export interface ResourceAction {
  readonly name: string;
  readonly disabled?: boolean;
  readonly params?: readonly { readonly name: string }[];
}

export type LuaAnswer<T> = { readonly answer: T; readonly error?: undefined } | { readonly error: string };

/** One process answers them all. */
export async function askArgo<T>(
  questions: readonly LuaQuestion[],
  env: NodeJS.ProcessEnv = {},
): Promise<LuaAnswer<T>[]> {
  const settings = argocdSettings();
  const program = { command: await toolBinary("argocd"), args: ["lua"], env };
  const ask = (): Promise<LuaAnswer<T>[]> =>
    lineAnswers<LuaAnswer<T>>(
      program,
      questions.map((question) => ({ settings, ...question })),
    );
  let answers = await ask();
  // The second that a script has is one of the clock: on a busy machine it may pass before the script gets its turn.
  for (let left = 3; left > 0 && answers.some(isCutOff); left -= 1) answers = await ask();
  return answers;
}

/** The answers, where none may be an error. */
export async function askedArgo<T>(questions: readonly LuaQuestion[], env: NodeJS.ProcessEnv = {}): Promise<T[]> {
  const answers = await askArgo<T>(questions, env);
  return answers.map((answer, i) => {
    if (answer.error !== undefined) throw new Error(`${questions[i]?.run}: ${answer.error}`);
    return answer.answer;
  });
}

const isCutOff = (answer: LuaAnswer<unknown>): boolean => answer.error?.includes("deadline exceeded") === true;
