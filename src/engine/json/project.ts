import { decoder } from "./decoder.ts";
import { generatedFunction } from "../generated-function.ts";
import { projectorSource } from "./projector.ts";
import { endOfName, MAX_SCAN_BYTES, plain, scanString, scanValue, skipSpace } from "./scan.ts";

/** Values of the wanted fields, `undefined` where one is missing; `odd` when only JSON.parse can tell. */
export type Projector = (b: Buffer, start: number, end: number) => readonly unknown[] | "odd";

/** A projector by itself, outside a chain: the same generated code, for tests and for looking into single records. */
export function projector(paths: readonly (readonly string[])[]): Projector {
  const fields = paths.map((path, slot) => ({ path, slot }));
  const declared = fields.map(({ slot: k }) => `let s${k} = 0, e${k} = 0, t${k} = 0;`).join(" ");
  const source = `return (b, start, end) => {
  let p = start, r = 0; ${declared}
  odd: {
    if (end <= start || end > MAX_SCAN_BYTES) break odd;
    ${projectorSource(fields)}
    if (p === end) return [${fields.map(({ slot: k }) => `decode(b, s${k}, e${k}, t${k})`).join(", ")}];
  }
  return "odd";
};`;
  return generatedFunction(source, {
    decode: decoder(),
    MAX_SCAN_BYTES,
    endOfName,
    plain,
    scanString,
    scanValue,
    skipSpace,
  });
}
