import { z } from "zod";
import { keywords } from "./rule.ts";

/** Kubernetes quantities: `512Mi`, `2`, `500m`, `1e3`. Grammar: apimachinery pkg/api/resource/quantity.go. */
const PATTERN = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?$/;
const SUFFIX: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
const MESSAGE = "must be a quantity such as 512Mi, 2 or 500m";

export const quantity = keywords(z.union([z.int(), z.string().regex(PATTERN, MESSAGE)], { error: MESSAGE }), {
  "x-kubernetes-int-or-string": true,
});
export type Quantity = z.infer<typeof quantity>;

/** The value as a number: bytes, or CPUs. Throws on text that the schema does not accept. */
export function parseQuantity(value: Quantity): number {
  if (typeof value === "number") return value;
  const match = PATTERN.exec(value);
  if (match === null) throw new RangeError(`"${value}" is not a quantity such as 512Mi`);
  const suffix = match[2] ?? "";
  const number = Number(match[0].slice(0, match[0].length - suffix.length));
  if (suffix === "") return number;
  return number * (SUFFIX[suffix] ?? 10 ** Number(suffix.slice(1)));
}
