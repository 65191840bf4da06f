/** A proxy for TCP that can go silent: what is open stays open and nothing comes any more, as from a host that has lost its power. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface SilentProxy {
  readonly port: number;
  /** Of the connections that are open; those that are opened later work. */
  silence(): void;
  close(): void;
}

export async function startSilentProxy(upstream: {
  readonly host: string;
  readonly port: number;
}): Promise<SilentProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    const far = connect(upstream);
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, pair.toReversed() as [Socket, Socket]]) {
      from.pipe(to);
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    silence: () => {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        // The server hears nothing either, also not that its client has gone.
        for (const socket of [near, far]) socket.removeAllListeners("close").resume();
      }
    },
    close: () => {
      server.close();
      for (const pair of pairs) for (const socket of pair) socket.destroy();
    },
  };
}
