import { readFile } from "node:fs/promises";
import type { TokenKeys } from "../controllers/workers/token.ts";
import { WeirError, messageOf } from "../errors.ts";

const MIN_KEY = 16;
const MAX_KEYS = 8;

/** Reads the file of --token-key-file: one key a line, the one that new workers get first. */
export async function readTokenKeys(file: string): Promise<TokenKeys> {
  const text = await readFile(file, "utf8").catch((e: unknown) => {
    throw new WeirError("CONFIG_INVALID", `cannot read --token-key-file: ${messageOf(e)}`, { cause: e });
  });
  const [newest = "", ...others] = text.split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.trim()]));
  if ([newest, ...others].some((key) => key.length < MIN_KEY)) {
    throw new WeirError("CONFIG_INVALID", `a key in ${file} is shorter than ${MIN_KEY} characters`);
  }
  if (others.length >= MAX_KEYS) throw new WeirError("CONFIG_INVALID", `${file} has more than ${MAX_KEYS} keys`);
  return [newest, ...others];
}
