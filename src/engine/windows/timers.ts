/** What is due when, earliest first: a binary heap. Ids may be in it several times, and after what they name is gone. */
export class Timers<Id> {
  private readonly heap: { readonly at: number; readonly id: Id }[] = [];

  get next(): number {
    return this.heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  add(at: number, id: Id): void {
    const { heap } = this;
    let i = heap.length;
    const timer = { at, id };
    heap.push(timer);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as { at: number; id: Id };
      if (above.at <= at) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = timer;
  }

  /** Takes the earliest if it is due by then. */
  take(by: number): Id | undefined {
    const { heap } = this;
    const [first] = heap;
    if (first === undefined || first.at > by) return undefined;
    const last = heap.pop() as { at: number; id: Id };
    if (heap.length > 0) this.sink(last);
    return first.id;
  }

  private sink(timer: { readonly at: number; readonly id: Id }): void {
    const { heap } = this;
    let i = 0;
    for (;;) {
      const left = 2 * i + 1;
      const right = left + 1;
      const at = (k: number): number => heap[k]?.at ?? Number.POSITIVE_INFINITY;
      const least = at(right) < at(left) ? right : left;
      if (at(least) >= timer.at) break;
      heap[i] = heap[least] as { at: number; id: Id };
      i = least;
    }
    heap[i] = timer;
  }
}
