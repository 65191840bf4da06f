import { createServer } from "node:net";

/**
 * Gives each pod an address of its own. Linux answers on all of 127.0.0.0/8, so a pod gets 127.x.y.z and keeps its
 * container port. Where only 127.0.0.1 exists (macOS), a pod gets a free port instead, told in POD_PORT_ANNOTATION.
 */
export const POD_PORT_ANNOTATION = "weir.dev/pod-port";

export interface PodAddress {
  readonly ip: string;
  /** Set where pods share one address. */
  readonly port: number | undefined;
}

export interface AddressPool {
  take(uid: string): Promise<PodAddress>;
  release(uid: string): void;
}

export async function openAddressPool(): Promise<AddressPool> {
  // Two clusters on one machine must not meet: each takes a /16 of its own by chance and checks every address.
  const own = await canListen("127.77.0.1", 0);
  const second = 64 + (process.pid % 128);
  const taken = new Map<string, string>();
  let next = 1 + (process.hrtime()[1] % 40_000);
  const takeOwn = async (uid: string): Promise<PodAddress> => {
    for (;;) {
      next = (next % 65_000) + 1;
      const ip = `127.${second}.${next >> 8}.${next & 255}`;
      const free = (next & 255) !== 0 && (next & 255) !== 255 && ![...taken.values()].includes(ip);
      if (!free || !(await canListen(ip, 8080))) continue;
      taken.set(uid, ip);
      return { ip, port: undefined };
    }
  };
  return {
    take: async (uid) => (own ? takeOwn(uid) : { ip: "127.0.0.1", port: await freePort() }),
    release: (uid) => void taken.delete(uid),
  };
}

function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
