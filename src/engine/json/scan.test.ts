import { expect, it } from "vitest";
import { ARRAY, kindWithin, NULL, OTHER_NUMBER, OTHER_STRING, PLAIN_INT, PLAIN_STRING, TRUE } from "./scan.ts";

it.each([
  ["5", PLAIN_INT],
  ["0", PLAIN_INT],
  ["-12", PLAIN_INT],
  ["-0", OTHER_NUMBER],
  ["1.5", OTHER_NUMBER],
  ["-0.5", OTHER_NUMBER],
  ["1e21", OTHER_NUMBER],
  ["123456789012345", PLAIN_INT],
  ["1234567890123456", OTHER_NUMBER],
  ['"a"', PLAIN_STRING],
  ['"ä"', OTHER_STRING],
  ["true", TRUE],
  ["null", NULL],
  ["[1,2]", ARRAY],
])("the kind of %s does not depend on what lies behind it", (text, kind) => {
  for (const behind of ["", "7", ".5", "e3", '"b"', "-1"]) {
    expect(kindWithin(Buffer.from(`9${text}${behind}`), 1, 1 + text.length), behind).toBe(kind);
  }
});
