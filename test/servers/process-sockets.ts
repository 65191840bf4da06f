/** The TCP sockets of a process, from /proc: what it listens on, and whom it has called. Linux only. */
import { readFileSync, readdirSync, readlinkSync } from "node:fs";

export interface Sockets {
  readonly listens: readonly number[];
  /** `address:port` of the other end of connections that this process opened. */
  readonly called: readonly string[];
}

const LISTEN = "0A";

/** Sockets that open and close between two looks are not seen: look often. Empty once the process is gone. */
export function socketsOf(pid: number): Sockets {
  const inodes = inodesOf(pid);
  const rows = ["tcp", "tcp6"].flatMap((file) => rowsOf(`/proc/${pid}/net/${file}`)).filter((r) => inodes.has(r.inode));
  const listens = new Set(rows.filter((r) => r.state === LISTEN).map((r) => portOf(r.local)));
  const called = rows.filter((r) => r.state !== LISTEN && !listens.has(portOf(r.local))).map((r) => readable(r.remote));
  return { listens: [...listens], called: [...new Set(called)] };
}

function inodesOf(pid: number): Set<string> {
  const links = unlessGone(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
  const targets = links.map((fd) => unlessGone(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? "");
  return new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}

interface Row {
  readonly local: string;
  readonly remote: string;
  readonly state: string;
  readonly inode: string;
}

/** Documentation/networking/proc_net_tcp.rst of the kernel. */
function rowsOf(file: string): Row[] {
  const lines = (unlessGone(() => readFileSync(file, "utf8")) ?? "").trim().split("\n").slice(1);
  return lines.map((line) => {
    const [, local = "", remote = "", state = "", , , , , , inode = ""] = line.trim().split(/\s+/);
    return { local, remote, state, inode };
  });
}

const portOf = (hex: string): number => Number.parseInt(hex.split(":")[1] ?? "", 16);

/** The address is in words of the machine's order; an IPv4 address in IPv6's clothes is its last word. */
function readable(hex: string): string {
  const word = (hex.split(":")[0] ?? "").slice(-8);
  const bytes = word.match(/../g)?.toReversed() ?? [];
  return `${bytes.map((byte) => Number.parseInt(byte, 16)).join(".")}:${portOf(hex)}`;
}

function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
