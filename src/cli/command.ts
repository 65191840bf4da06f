import { suggestion } from "../api/suggestion.ts";

/** One verb of `weir`. A command gets its arguments already split off and returns the exit code. */
export interface Command {
  /** Words that select it, for example "local up". */
  readonly name: string;
  /** Its first line is shown by `weir help`, all of it by --help. */
  readonly summary: string;
  /** Shown by --help: what follows the name. */
  readonly usage: string;
  run(args: readonly string[], io: Terminal): Promise<number>;
}

/** Where a command writes; colours only where a person reads. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  readonly colour: boolean;
}

/** 0 done, 1 the thing asked for failed, 2 the question was wrong. */
export const EXIT = { ok: 0, failed: 1, usage: 2 } as const;

export class UsageError extends Error {}

export async function dispatch(commands: readonly Command[], argv: readonly string[], io: Terminal): Promise<number> {
  const wanted = argv[0];
  if (wanted === undefined || wanted === "help" || wanted === "--help" || wanted === "-h") {
    overview(commands, io);
    return wanted === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = commands
    .filter(({ name }) => name.split(" ").every((word, i) => argv[i] === word))
    .toSorted((a, b) => b.name.length - a.name.length)[0];
  if (command === undefined) {
    io.err(`weir: there is no command "${argv.slice(0, 2).join(" ")}"; ${instead(commands, wanted)}`);
    return EXIT.usage;
  }
  const args = argv.slice(command.name.split(" ").length);
  if (args.includes("--help") || args.includes("-h")) {
    io.out(`weir ${command.name} ${command.usage}\n\n${command.summary}`);
    return EXIT.ok;
  }
  return run(command, args, io);
}

function instead(commands: readonly Command[], wanted: string): string {
  const longer = commands.filter(({ name }) => name.startsWith(`${wanted} `)).map(({ name }) => `weir ${name}`);
  if (longer.length > 0) return `there is ${longer.join(", ")}`;
  const words = commands.map(({ name }) => name.split(" ")[0] ?? name);
  return (suggestion(wanted, words) || "weir help lists them").replace(/^; /, "");
}

async function run(command: Command, args: readonly string[], io: Terminal): Promise<number> {
  try {
    return await command.run(args, io);
  } catch (e) {
    if (!(e instanceof UsageError) && !isParseError(e)) throw e;
    io.err(`weir ${command.name}: ${e.message}\nusage: weir ${command.name} ${command.usage}`);
    return EXIT.usage;
  }
}

/** What node:util parseArgs throws for an unknown or incomplete flag. */
const isParseError = (e: unknown): e is Error =>
  e instanceof Error && "code" in e && String(e.code).startsWith("ERR_PARSE_ARGS");

function overview(commands: readonly Command[], io: Terminal): void {
  const width = Math.max(...commands.map((c) => c.name.length));
  io.out("weir: streaming jobs on Kubernetes\n");
  for (const { name, summary } of commands) io.out(`  weir ${name.padEnd(width)}  ${summary.split("\n")[0]}`);
}
