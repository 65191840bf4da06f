import { isWeirError, WeirError } from "../../../errors.ts";
import type { ErrorCode } from "../../../errors.ts";

/** Whose code it is, for messages: a user's connector is not to be taken for Weir's own. */
export interface Owner {
  readonly title: string;
  readonly code: ErrorCode;
}

type Method = (...args: unknown[]) => unknown;

/** The same object, whose methods say whose they are where they throw. */
export function withNamedErrors<T extends object>(target: T, owner: Owner): T {
  const wrapped = new Map<string | symbol, Method>();
  return new Proxy(target, {
    get: (_, name) => {
      const known = wrapped.get(name);
      if (known !== undefined) return known;
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = named(value as Method, target, owner);
      wrapped.set(name, method);
      return method;
    },
  });
}

function named(method: Method, target: object, owner: Owner): Method {
  return (...args) => {
    try {
      const result = method.apply(target, args);
      return result instanceof Promise ? result.catch((e: unknown) => fail(e, owner)) : result;
    } catch (e) {
      return fail(e, owner);
    }
  };
}

function fail(cause: unknown, { title, code }: Owner): never {
  if (isWeirError(cause)) throw cause;
  const what = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
  throw new WeirError(isLoss(cause) ? "DELIVERY_AT_RISK" : code, `${title} threw ${what}`, { cause });
}

/** A user's code has no error of Weir's to throw. */
const isLoss = (cause: unknown): boolean =>
  cause instanceof Error && "code" in cause && cause.code === ("DELIVERY_AT_RISK" satisfies ErrorCode);
