/** Counts what is held, keeps buffers for reuse, and tells whoever waits that something was acknowledged. */
export interface Holdings {
  take(bytes: number): void;
  progress(freed: number, buffers: readonly Buffer[]): void;
  buffer(): Buffer;
  readonly bytes: number;
  onProgress(callback: () => void): void;
}

export function holdings(batchBytes: number): Holdings {
  const spare: Buffer[] = [];
  let held = 0;
  let callback = (): void => undefined;
  return {
    take: (bytes) => {
      held += bytes;
    },
    progress: (freed, buffers) => {
      held -= freed;
      for (const buffer of buffers) if (buffer.length === batchBytes && spare.length < 64) spare.push(buffer);
      callback();
    },
    buffer: () => spare.pop() ?? Buffer.allocUnsafeSlow(batchBytes),
    get bytes() {
      return held;
    },
    onProgress: (next) => {
      callback = next;
    },
  };
}
