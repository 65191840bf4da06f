import { isMap } from "./json-value.ts";

/**
 * The JSONPath of printer columns: names, `[0]`, `[*]`, quoted names and `[?(@.type=="Ready")]`. Own, because a definition is
 * somebody else's text and a general JSONPath evaluates code in filters.
 */
type Step = (value: unknown) => unknown[];

const TOKEN =
  /\.((?:\\.|[^.[\]\\])+)|\[(\d+)\]|\[\*\]|\[['"]([^'"]+)['"]\]|\[\?\(@\.([\w.-]+)\s*(==|!=)\s*['"]([^'"]*)['"]\)\]/gy;

function field(name: string): Step {
  return (value) => (isMap(value) && value[name] !== undefined ? [value[name]] : []);
}

function every(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isMap(value) ? Object.values(value) : [];
}

function filter(path: string, operator: string, wanted: string): Step {
  const read = path.split(".").map(field);
  const matches = (item: unknown): boolean => {
    const [found] = walk(item, read);
    return (found === wanted) === (operator === "==");
  };
  return (value) => every(value).filter(matches);
}

function walk(root: unknown, steps: readonly Step[]): unknown[] {
  return steps.reduce<unknown[]>((values, step) => values.flatMap(step), [root]);
}

function stepOf(match: RegExpMatchArray): Step {
  const [, name, index, quoted, path, operator = "==", wanted = ""] = match;
  if (name !== undefined) return field(name.replaceAll(/\\(.)/g, "$1"));
  if (quoted !== undefined) return field(quoted);
  if (path !== undefined) return filter(path, operator, wanted);
  if (index === undefined) return every;
  return (value) => (Array.isArray(value) ? value.slice(Number(index), Number(index) + 1) : []);
}

const compiled = new Map<string, readonly Step[]>();

/** The values at a path; none when the path leaves the object or is not understood. */
export function valuesAt(root: unknown, path: string): unknown[] {
  const known = compiled.get(path);
  if (known !== undefined) return walk(root, known);
  const tokens = [...path.matchAll(TOKEN)];
  const isWhole = tokens.reduce((length, [text]) => length + text.length, 0) === path.length;
  const steps = isWhole ? tokens.map(stepOf) : [() => []];
  compiled.set(path, steps);
  return walk(root, steps);
}
