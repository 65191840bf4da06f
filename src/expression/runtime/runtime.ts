import { all, exists, existsOne, filter, mapItems } from "./comprehension.ts";
import { at, found, hasField, list, map, missing, select } from "./access.ts";
import * as arithmetic from "./arithmetic.ts";
import { begin } from "./budget.ts";
import * as compare from "./compare.ts";
import { callable } from "./function.ts";
import { celFunctions } from "./functions.ts";
import { not, notAllFalse, notAllTrue, notBool } from "./logic.ts";

/** Everything that generated code may call; the interpreter calls the same operations without the shortcuts. */
export const celRuntime = {
  begin,
  ...arithmetic,
  ...compare,
  at,
  found,
  hasField,
  list,
  map,
  missing,
  select,
  not,
  notAllFalse,
  notAllTrue,
  notBool,
  all,
  exists,
  existsOne,
  filter,
  mapItems,
  functions: Object.fromEntries(Object.entries(celFunctions).map(([name, fn]) => [name, callable(name, fn)])),
} as const;
export type CelRuntime = typeof celRuntime;
