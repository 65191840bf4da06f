import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { WeirError, messageOf } from "../errors.ts";
import { readYaml } from "../yaml/read-yaml.ts";
import type { ApiServer, Credentials, TlsIdentity } from "./credentials.ts";
import type { Timers } from "./timers.ts";
import { systemTimers } from "./timers.ts";

interface ClusterEntry {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
  "proxy-url"?: string;
}

interface UserEntry {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  exec?: object;
  "auth-provider"?: object;
}

interface Kubeconfig {
  "current-context"?: string;
  contexts?: { name: string; context: { cluster?: string; user?: string; namespace?: string } }[];
  clusters?: { name: string; cluster: ClusterEntry }[];
  users?: { name: string; user: UserEntry }[];
}

/** Projected ServiceAccount tokens are rotated at 80 % of an hour at the latest; client-go reads them every minute too. */
const FILE_MAX_AGE_MS = 60_000;

/**
 * Reads certificates and tokens by itself. Users with `exec` or an auth provider go through the field's own library,
 * which is loaded only then: it costs half a second and 80 MB.
 */
export async function serverFromKubeconfig(
  path: string,
  options: { context?: string; timers?: Timers } = {},
): Promise<ApiServer> {
  const { name, namespace, cluster, user } = chosen(path, await read(path), options.context);
  const url = cluster.server;
  if (user.exec !== undefined || user["auth-provider"] !== undefined) {
    return { url, namespace, credentials: await pluginCredentials(path, name) };
  }
  const tls = await tlsOf(cluster, user, dirname(path));
  const header = headerOf(user, dirname(path), options.timers ?? systemTimers);
  return { url, namespace, credentials: async () => ({ tls, headers: await header() }) };
}

interface Chosen {
  readonly name: string;
  readonly namespace: string;
  readonly cluster: ClusterEntry & { server: string };
  readonly user: UserEntry;
}

function chosen(path: string, config: Kubeconfig, wanted: string | undefined): Chosen {
  const name = wanted ?? config["current-context"] ?? "";
  const context = config.contexts?.find((c) => c.name === name)?.context;
  if (context === undefined) throw invalid(path, `there is no context "${name}"; name one of its contexts`);
  const user = config.users?.find((u) => u.name === context.user)?.user ?? {};
  return {
    name,
    namespace: context.namespace ?? "default",
    cluster: clusterNamed(path, config, context.cluster),
    user,
  };
}

function clusterNamed(path: string, config: Kubeconfig, name = ""): Chosen["cluster"] {
  const cluster = config.clusters?.find((c) => c.name === name)?.cluster;
  const server = cluster?.server;
  if (cluster === undefined || server === undefined) throw invalid(path, `there is no cluster "${name}" with a server`);
  if (cluster["proxy-url"] !== undefined) throw invalid(path, `"proxy-url" of the cluster "${name}" is not supported`);
  return { ...cluster, server };
}

export interface InClusterOptions {
  /** KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT of the pod's environment. */
  readonly host: string;
  readonly port: string;
  /** Where the ServiceAccount is mounted. */
  readonly folder?: string;
  readonly timers?: Timers;
}

export async function serverInCluster(options: InClusterOptions): Promise<ApiServer> {
  const { host, port, folder = "/var/run/secrets/kubernetes.io/serviceaccount", timers = systemTimers } = options;
  const token = cachedFile(`${folder}/token`, timers);
  const tls: TlsIdentity = { ca: await text(`${folder}/ca.crt`) };
  return {
    url: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    namespace: (await text(`${folder}/namespace`)).trim(),
    credentials: async () => ({ tls, headers: { authorization: `Bearer ${await token()}` } }),
  };
}

async function read(path: string): Promise<Kubeconfig> {
  const source = await text(path);
  try {
    const [document, ...more] = readYaml(source);
    const config = (document?.value ?? null) as Kubeconfig | null;
    if (more.length === 0 && typeof config === "object" && config !== null) return config;
  } catch (e) {
    throw invalid(path, `it ${messageOf(e)}`);
  }
  throw invalid(path, "it is empty");
}

async function tlsOf(cluster: ClusterEntry, user: UserEntry, folder: string): Promise<TlsIdentity> {
  const pem = async (data: string | undefined, file: string | undefined): Promise<string | undefined> => {
    if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
    return file === undefined ? undefined : text(resolve(folder, file));
  };
  return {
    ca: await pem(cluster["certificate-authority-data"], cluster["certificate-authority"]),
    cert: await pem(user["client-certificate-data"], user["client-certificate"]),
    key: await pem(user["client-key-data"], user["client-key"]),
    servername: cluster["tls-server-name"],
    rejectUnauthorized: cluster["insecure-skip-tls-verify"] !== true,
  };
}

function headerOf(user: UserEntry, folder: string, timers: Timers): () => Promise<Record<string, string>> {
  if (user.tokenFile !== undefined) {
    const token = cachedFile(resolve(folder, user.tokenFile), timers);
    return async () => ({ authorization: `Bearer ${await token()}` });
  }
  const headers: Record<string, string> = {};
  if (user.token !== undefined) headers["authorization"] = `Bearer ${user.token}`;
  else if (user.username !== undefined) {
    headers["authorization"] = `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}`;
  }
  return () => Promise.resolve(headers);
}

/** While the file cannot be read (it is being replaced), the last content goes on. */
function cachedFile(path: string, timers: Timers): () => Promise<string> {
  let content: string | undefined;
  let readAt = -Infinity;
  return async () => {
    // A clock that is set back must not keep a token in use until it has expired.
    if (content !== undefined && Math.abs(timers.now() - readAt) < FILE_MAX_AGE_MS) return content;
    try {
      content = (await text(path)).trim();
      readAt = timers.now();
    } catch (e) {
      if (content === undefined) throw e;
    }
    return content;
  };
}

/** Asked before every call: the library caches tokens until they expire. */
async function pluginCredentials(path: string, context: string): Promise<() => Promise<Credentials>> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  config.loadFromFile(path);
  config.setCurrentContext(context);
  let last: TlsIdentity = {};
  return async () => {
    const options: PluginAnswer = { headers: {} };
    await config.applyToHTTPSOptions(options as object);
    const next = tlsOfPlugin(options);
    if (!isSame(last, next)) last = next; // a new object only for a new certificate: it costs new connections
    return {
      tls: last,
      headers: options.headers.Authorization === undefined ? {} : { authorization: options.headers.Authorization },
    };
  };
}

interface PluginAnswer {
  headers: { Authorization?: string };
  ca?: Buffer | string;
  cert?: Buffer | string;
  key?: Buffer | string;
  servername?: string;
  rejectUnauthorized?: boolean;
}

function tlsOfPlugin(answer: PluginAnswer): TlsIdentity {
  return {
    ca: answer.ca?.toString(),
    cert: answer.cert?.toString(),
    key: answer.key?.toString(),
    servername: answer.servername,
    rejectUnauthorized: answer.rejectUnauthorized,
  };
}

function isSame(a: TlsIdentity, b: TlsIdentity): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key && a.servername === b.servername;
}

async function text(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (e) {
    throw new WeirError("CONFIG_INVALID", `cannot read ${path}: ${messageOf(e)}`, { cause: e });
  }
}

function invalid(path: string, what: string): WeirError {
  return new WeirError("CONFIG_INVALID", `the kubeconfig ${path} cannot be used: ${what}`);
}
