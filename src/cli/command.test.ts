import { describe, expect, it } from "vitest";
import { type Command, UsageError, dispatch } from "./command.ts";

const say = (name: string): Command => ({
  name,
  summary: `does ${name}`,
  usage: "[FLAG]",
  run: (args, io) => {
    if (args.includes("wrong")) throw new UsageError("wrong is not a flag");
    io.out(`${name}(${args.join(",")})`);
    return Promise.resolve(0);
  },
});

async function call(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const io = {
    out: (l: string) => void (written.out += `${l}\n`),
    err: (l: string) => void (written.err += `${l}\n`),
    colour: false,
  };
  const code = await dispatch([say("local"), say("local up"), say("why"), say("job end"), say("job run")], argv, io);
  return { code, ...written };
}

describe("weir", () => {
  it("runs the longest command whose words match", async () => {
    expect((await call("local", "up", "--port", "1")).out).toBe("local up(--port,1)\n");
    expect((await call("local", "x")).out).toBe("local(x)\n");
  });

  it("lists its commands without an argument, and says with 2 that it was asked nothing", async () => {
    const { code, out } = await call();
    expect(code).toBe(2);
    expect(out).toContain("weir why       does why");
  });

  it("names an unknown command", async () => {
    const { code, err } = await call("frobnicate");
    expect(code).toBe(2);
    expect(err).toContain('there is no command "frobnicate"');
  });

  it("says what there is below the first word of a command, and what may be meant", async () => {
    expect((await call("job")).err).toContain("there is weir job end, weir job run");
    expect((await call("wyh")).err).toContain('did you mean "why"');
  });

  it("shows the usage with a wrong argument", async () => {
    const { code, err } = await call("why", "wrong");
    expect(code).toBe(2);
    expect(err).toContain("usage: weir why [FLAG]");
  });

  it("explains one command with --help", async () => {
    expect((await call("why", "--help")).out).toContain("does why");
  });
});
