/** What the kubelet must read to set up a pod; the contents go to the pod's folder and nowhere else. */
export interface ObjectReader {
  /** Data of a ConfigMap, or undefined when it does not exist. */
  configMap(namespace: string, name: string): Promise<Readonly<Record<string, Buffer>> | undefined>;
  secret(namespace: string, name: string): Promise<Readonly<Record<string, Buffer>> | undefined>;
}

/**
 * One pod's view: while the API server cannot be asked, a container restarts from what its pod was set up with before,
 * as on a real node.
 */
export function rememberingReader(reader: ObjectReader): ObjectReader {
  const known = new Map<string, Readonly<Record<string, Buffer>> | undefined>();
  const remembering =
    (kind: keyof ObjectReader): ObjectReader["configMap"] =>
    async (namespace, name) => {
      const id = `${kind}/${namespace}/${name}`;
      try {
        known.set(id, await reader[kind](namespace, name));
      } catch (e) {
        if (!known.has(id)) throw e;
      }
      return known.get(id);
    };
  return { configMap: remembering("configMap"), secret: remembering("secret") };
}

/** A pod cannot be set up yet; the kubelet shows the reason and tries again. */
export class NotReadyError extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
