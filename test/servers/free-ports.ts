import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below the ports that Linux gives to connections and to listeners without a wish (net.ipv4.ip_local_port_range): one of those is
 * taken again before a server that takes seconds to start listens on it, or while it is restarted.
 */
const FIRST = 18_000;
const COUNT = 12_000;
const given = new Set<number>();

/** Ports that are free, all different, and never the same twice. By chance, because other runs of the tests choose as well. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    found.push(port);
  }
  return found;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, "127.0.0.1"), "listening");
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}
