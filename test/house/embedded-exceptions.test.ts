import { expect, it } from "vitest";
import { exceptions } from "../servers/embedded-exceptions.ts";
import { read } from "./sources.ts";

const byText = (a = "", b = ""): number => a.localeCompare(b);

it("documents each intended difference of the embedded API server, and no other", () => {
  const table = read("docs/concepts/embedded-cluster.md")
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| difference"));
  const documented = table.map((line) => line.split("|")[1]?.trim());
  expect(documented.toSorted(byText)).toEqual(exceptions.map((exception) => exception.title).toSorted(byText));
});
