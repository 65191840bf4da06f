import { messageOf } from "../../errors.ts";
import { readYaml } from "../../yaml/read-yaml.ts";
import type { JsonMap } from "./json-value.ts";
import { isMap } from "./json-value.ts";
import { badRequest } from "./status-error.ts";

export interface Decoded {
  readonly value: unknown;
  /** Paths of keys that appear twice in one map; the last one won. */
  readonly duplicates: readonly string[];
}

/** JSON or YAML of a request; keys that appear twice are reported, because strict field validation refuses them. */
export function decode(text: string, mediaType: string): Decoded {
  if (text.trim() === "") return { value: undefined, duplicates: [] };
  try {
    if (mediaType.includes("yaml") && !text.trimStart().startsWith("{")) {
      const [document, ...more] = readYaml(text, { maxAliases: 0 });
      if (more.length > 0) throw new Error("it must be one document");
      return { value: document?.value, duplicates: [] };
    }
    const value: unknown = JSON.parse(text);
    return { value, duplicates: duplicateKeys(text) };
  } catch (e) {
    throw badRequest(`error decoding the body: ${messageOf(e)}`);
  }
}

export function mapOf(decoded: Decoded, what: string): JsonMap {
  if (!isMap(decoded.value)) throw badRequest(`${what} must be a map`);
  return decoded.value;
}

interface Frame {
  keys: Set<string> | undefined;
  path: string;
  key: string;
  index: number;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;

/** Walks the tokens of a text that is known to be valid JSON. */
function duplicateKeys(text: string): string[] {
  const found: string[] = [];
  const stack: Frame[] = [];
  let lastString = "";
  for (const [token] of text.matchAll(TOKEN)) {
    const frame = stack.at(-1);
    if (token === "{" || token === "[") {
      stack.push({ keys: token === "{" ? new Set() : undefined, path: placeOf(frame), key: "", index: 0 });
    } else if (token === "}" || token === "]") {
      stack.pop();
    } else if (token === "," && frame !== undefined) {
      frame.index += 1;
    } else if (token === ":" && frame?.keys !== undefined) {
      noteKey(frame, JSON.parse(lastString) as string, found);
    } else {
      lastString = token;
    }
  }
  return found;
}

function placeOf(frame: Frame | undefined): string {
  if (frame === undefined) return "";
  if (frame.keys === undefined) return `${frame.path}[${frame.index}]`;
  return frame.path === "" ? frame.key : `${frame.path}.${frame.key}`;
}

function noteKey(frame: Frame, key: string, found: string[]): void {
  const isRepeated = frame.keys?.has(key) === true;
  frame.keys?.add(key);
  frame.key = key;
  if (isRepeated) found.push(placeOf(frame));
}
