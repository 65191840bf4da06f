import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { dispatch } from "../cli/command.ts";
import { jobCommands } from "./job-commands.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/reference/explain.md"), "utf8");
const blocks = new Map(
  [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, text]) => [language, text ?? ""]),
);

it("explains the job of its page as the page says", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-explain-"));
  const file = join(folder, "job.yaml");
  writeFileSync(file, blocks.get("yaml") ?? "");
  const said: string[] = [];
  const say = (text: string): void => void said.push(text);
  const code = await dispatch(jobCommands, ["explain", file], { out: say, err: say, colour: false });
  rmSync(folder, { recursive: true, force: true });
  expect(code).toBe(0);
  expect(said.join("\n").trimEnd()).toBe(blocks.get("")?.trimEnd());
});
