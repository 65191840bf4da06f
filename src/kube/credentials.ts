/** What a connection is made with. The object is replaced, not changed, when a certificate is rotated. */
export interface TlsIdentity {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}

export interface Credentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsIdentity;
}

/** Where an API server is and how to prove who we are. `credentials` is asked before every call and caches by itself. */
export interface ApiServer {
  readonly url: string;
  /** The namespace that the kubeconfig or the pod names. */
  readonly namespace: string;
  credentials(): Promise<Credentials>;
}

/** A server known in full, for tests and the embedded cluster. */
export function fixedServer(
  url: string,
  options: { token?: string; tls?: TlsIdentity; namespace?: string } = {},
): ApiServer {
  const credentials: Credentials = {
    headers: options.token === undefined ? {} : { authorization: `Bearer ${options.token}` },
    tls: options.tls ?? {},
  };
  return { url, namespace: options.namespace ?? "default", credentials: () => Promise.resolve(credentials) };
}
