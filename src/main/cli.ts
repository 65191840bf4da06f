import { parseArgs } from "node:util";
import { type Command, EXIT, type Terminal, dispatch } from "../cli/command.ts";
import { isWeirError, messageOf } from "../errors.ts";
import { checkCommands } from "./check-commands.ts";
import { localCommands } from "./local.ts";
import { jobCommands } from "./job-commands.ts";
import { VERSION } from "./version.ts";

/** `weir`: the list of commands, and the process around them. */
const REQUIRED_NODE = 24;

/** Loaded when asked for: the operator and the embedded cluster are most of the program. */
const operator: Command = {
  name: "operator",
  summary: "Runs the operator until SIGTERM.",
  usage: "--token-key-file FILE [--config FILE] [--namespace A,B | --all-namespaces] [--worker-image IMAGE]",
  run: async (args) => (await import("./operator-process.ts")).runOperator(args, process.env),
};

const demo: Command = {
  name: "demo",
  summary: "Runs the quickstart on an embedded cluster: results, scaling on lag, a maintenance window. Ends by itself.",
  usage: "[--keep] [--data-dir DIR]",
  run: async (args, io) => (await import("./demo.ts")).demo(args, io),
};

const version: Command = {
  name: "version",
  summary: "Prints the version.",
  usage: "",
  run: async (args, io) => {
    parseArgs({ args: [...args], options: {} });
    io.out(VERSION);
    return 0;
  },
};

const terminal: Terminal = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  colour: process.stdout.isTTY && process.env["NO_COLOR"] === undefined,
};

/** Whoever reads may have seen enough: `weir why JOB | head -1`. What the command does goes on, and its exit code stays. */
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (e: NodeJS.ErrnoException) => {
    if (e.code !== "EPIPE") throw e;
  });

async function main(): Promise<number> {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < REQUIRED_NODE) {
    terminal.err(
      `weir needs Node ${REQUIRED_NODE} or newer, this is ${process.version}; run \`make install\` and use make's targets`,
    );
    return 2;
  }
  const argv = process.argv.slice(2);
  if (argv[0] === "--version") return version.run([], terminal);
  try {
    return await dispatch(
      [demo, ...localCommands, ...jobCommands, ...checkCommands, operator, version],
      argv,
      terminal,
    );
  } catch (e) {
    terminal.err(`weir: ${messageOf(e)}${isWeirError(e) ? ` (${e.code})` : ""}`);
    return isWeirError(e) && e.code === "CONFIG_INVALID" ? EXIT.usage : EXIT.failed;
  }
}

process.exit(await main());
