import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "weir-commands-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const cli = join(import.meta.dirname, "../../src/main/cli.ts");
interface Said {
  readonly code: number;
  readonly err: string;
}

async function weir(...args: string[]): Promise<Said> {
  const env = { PATH: process.env["PATH"] };
  try {
    const { stderr } = await promisify(execFile)(process.execPath, [cli, ...args], {
      cwd: folder,
      env,
      timeout: 120_000,
    });
    return { code: 0, err: stderr };
  } catch (e) {
    const { code, stderr } = e as { code: number; stderr: string };
    return { code, err: stderr };
  }
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const bomb = [
  "a: &a [x, x, x, x, x, x, x, x, x, x]",
  ...["b", "c", "d", "e", "f", "g", "h", "i"].map((name, i) => {
    const before = String.fromCodePoint(97 + i);
    return `${name}: &${name} [${Array(10).fill(`*${before}`).join(", ")}]`;
  }),
].join("\n");
const job = "apiVersion: weir.dev/v1alpha1\nkind: StreamingJob\nmetadata: { name: x }\n";

describe("a YAML file given to weir", () => {
  it.each([
    ["with a key that is there twice", "kind: A\nkind: B\n", /bad\.yaml:2:1: error: not YAML: duplicated mapping key/],
    ["with an alias bomb", bomb, /bad\.yaml:1:1: error: expands to .* by its aliases/],
    [
      "with a bomb of aliases inside a job",
      `${job}spec:\n  ${bomb.replaceAll("\n", "\n  ")}\n`,
      /bad\.yaml:1:1: error: expands to .* by its aliases/,
    ],
    [
      "of more than 1 MiB",
      `${job}spec: { note: "${"x".repeat(1 << 20)}" }`,
      /bad\.yaml:1:1: error: the file is larger than 1 MiB/,
    ],
    ["that is not closed", "spec: {", /bad\.yaml:1:8: error: not YAML: /],
    [
      "that is a list",
      "- 1\n",
      /bad\.yaml:1:1: error: this is no object: it needs apiVersion, kind and metadata\.name/,
    ],
    ["with a tag of a program", `${job}spec: !!js/function "() => 1"`, /bad\.yaml:4:7: error: not YAML: .*tag/s],
    ["without a job", "apiVersion: v1\nkind: Secret\nmetadata: { name: x }\n", /bad\.yaml has no StreamingJob/],
    [
      "of a job that is none",
      `${job}spec: { parallelism: many }`,
      /bad\.yaml:4:22: error: spec\.parallelism: must be a number, not a string/,
    ],
  ])("%s is answered with the file and the place", async (_, text, says) => {
    const { code, err } = await weir("explain", file("bad.yaml", text));
    expect(err).toMatch(says);
    expect(err).not.toMatch(/\n +at /);
    expect(code).toBeGreaterThan(0);
  });

  it("that does not exist is named", async () => {
    const { code, err } = await weir("explain", "nowhere.yaml");
    expect([code, err]).toEqual([2, expect.stringMatching(/^weir explain: .*nowhere\.yaml/)]);
  });
});

describe("a command line of weir", () => {
  it("whose reader has seen enough ends without a word, with its own exit code", async () => {
    file("fine.yaml", `${job}spec: { parallelism: many }`);
    const command = `{ "$0" "$1" lint fine.yaml; echo "exit code $?" >&2; } | true`;
    const { stderr } = await promisify(execFile)("sh", ["-c", command, process.execPath, cli], {
      cwd: folder,
      timeout: 120_000,
    });
    expect(stderr).toBe("exit code 1\n");
  });

  it.each([
    [["explode"], 'there is no command "explode"'],
    [["local", "sideways"], 'there is no command "local sideways"'],
    [["explain"], "name exactly one file"],
    [["explain", "--fast", "x.yaml"], "--fast"],
    [["why"], "usage: weir why"],
    [["local", "up", "--port"], "--port"],
    [["local", "up", "--port", "many"], "--port"],
    [["demo", "--kep"], "--kep"],
    [["version", "--loud"], "--loud"],
  ])("%j is refused with exit code 2 and the usage", async (args, says) => {
    const { code, err } = await weir(...args);
    expect(err).toContain(says);
    expect(err).not.toMatch(/\n +at /);
    expect(code).toBe(2);
  });
});

describe("the operator's flags", () => {
  const key = (): string => file("key", "0123456789abcdef0123456789abcdef");
  const config = (): string =>
    file("kubeconfig", "apiVersion: v1\nkind: Config\ncurrent-context: gone\ncontexts: []\nclusters: []\nusers: []\n");

  it.each([
    [[], "--token-key-file"],
    [["--token-key-file", "key", "--fast"], "--fast"],
    [["--token-key-file", "key", "--log-level", "loud"], "--log-level"],
    [["--token-key-file", "key", "--metrics-bind", "8081"], "--metrics-bind: must be host:port, for example :8081"],
    [["--token-key-file", "key", "--leader-elect", "maybe"], "--leader-elect"],
    [["--token-key-file", "key"], "there is no --kubeconfig, and this is not a pod of a cluster"],
    [["--token-key-file", "key", "--kubeconfig", "nowhere"], "nowhere"],
    [["--token-key-file", "key", "--kubeconfig", "kubeconfig"], 'context "gone"'],
  ])("%j are refused with exit code 2, by name", async (args, says) => {
    key();
    config();
    const { code, err } = await weir("operator", ...args);
    expect(err).toContain(says);
    expect(err).toContain("(CONFIG_INVALID)");
    expect(err).not.toMatch(/\n +at /);
    expect(code).toBe(2);
  });
});
