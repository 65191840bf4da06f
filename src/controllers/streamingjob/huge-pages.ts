/** Variable by which glibc takes its settings: https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html */
const TUNABLES = "GLIBC_TUNABLES";

/**
 * Tables, windows and what is read lie in arrays that malloc gives, outside of V8's heap, and in pages of 4 KiB the processor
 * is long in finding them (docs/adr/0034-workers-ask-for-huge-pages.md). So: ask the kernel for pages of 2 MiB; arrays
 * of less than 1 MiB side by side in one heap that grows by such a page, larger ones apart, so that they can be given back; and
 * few heaps for V8's threads, each of which would have a page of its own. A kernel or a C library without such a thing
 * ignores it.
 */
const SETTINGS = {
  hugetlb: 1,
  mmap_threshold: 1024 * 1024,
  top_pad: 2 * 1024 * 1024,
  arena_max: 2,
};

export const HUGE_PAGES = {
  name: TUNABLES,
  value: Object.entries(SETTINGS)
    .map(([name, value]) => `glibc.malloc.${name}=${value}`)
    .join(":"),
};

/** For a worker whose user does not say it otherwise. */
export const hugePages = (own: readonly { readonly name: string }[] = []): readonly object[] =>
  own.some(({ name }) => name === TUNABLES) ? [] : [HUGE_PAGES];
