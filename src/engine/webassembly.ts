/** What is used of WebAssembly: the types of its classes come with those of browsers. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => Memory;
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

export interface Memory {
  readonly buffer: ArrayBuffer;
}

const PAGE_BYTES = 65_536;

/** Of a size that never changes, so that views of it stay good. It takes gigabytes of address space, whatever its size. */
export function newMemory(bytes: number): Memory {
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages });
}

/** The functions of a module that `make gen` made of a .wat file. */
export function newInstance(
  code: string,
  imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>,
): Readonly<Record<string, unknown>> {
  return new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(code, "base64")), imports).exports;
}
