/** Variable by which glibc takes its settings: https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html */
const TUNABLES = "GLIBC_TUNABLES";

/**
 * Tables, windows and what is read lie in arrays that malloc gives, outside of V8's heap. In pages of 4 KiB the processor
 * spends up to a sixth of its time on finding them (docs/performance.md). So: ask the kernel for pages of 2 MiB; arrays of
 * up to 32 MiB, which is the most that every glibc takes, side by side in one heap that grows by such a page; and few heaps
 * for V8's threads, each of which would have a page of its own. Ignored by a kernel or a C library that has no such thing.
 */
const SETTINGS = {
  hugetlb: 1,
  mmap_threshold: 32 * 1024 * 1024,
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
