export interface Timer {
  readonly at: number;
  readonly id: string;
}

export const compareTimers = (a: Timer, b: Timer): number => a.at - b.at || (a.id === b.id ? 0 : a.id < b.id ? -1 : 1);

/** Timers in memory, of which the first is known: by time, then by id. */
export class TimerHeap {
  private heap: Timer[] = [];

  /** With timers that are in order. */
  reset(timers: Timer[]): void {
    this.heap = timers;
  }

  get size(): number {
    return this.heap.length;
  }

  get first(): Timer | undefined {
    return this.heap[0];
  }

  add(timer: Timer): void {
    const { heap } = this;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as Timer;
      if (compareTimers(above, timer) <= 0) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = timer;
  }

  take(): Timer | undefined {
    const { heap } = this;
    const [first] = heap;
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.sink(last);
    return first;
  }

  /** Puts a timer where the first one was. */
  private sink(timer: Timer): void {
    const { heap } = this;
    for (let i = 0; ;) {
      const child = this.earlierChild(i);
      const below = heap[child];
      if (below === undefined || compareTimers(timer, below) <= 0) {
        heap[i] = timer;
        return;
      }
      heap[i] = below;
      i = child;
    }
  }

  private earlierChild(i: number): number {
    const left = 2 * i + 1;
    const [a, b] = [this.heap[left], this.heap[left + 1]];
    return a !== undefined && b !== undefined && compareTimers(b, a) < 0 ? left + 1 : left;
  }

  /** Ids of some that are due by then, the first among them. */
  due(by: number, most: number): string[] {
    const { heap } = this;
    const ids: string[] = [];
    const open = [0];
    for (let i = open.pop(); i !== undefined && ids.length < most; i = open.pop()) {
      const timer = heap[i];
      if (timer === undefined || timer.at > by) continue;
      ids.push(timer.id);
      open.push(2 * i + 2, 2 * i + 1);
    }
    return ids;
  }

  inOrder(): Timer[] {
    return this.heap.toSorted(compareTimers);
  }
}
