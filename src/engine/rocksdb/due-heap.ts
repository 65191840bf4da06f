/** What is due at some time. */
export interface Due {
  readonly at: number;
}

interface Place<T> extends Due {
  readonly due: T;
  readonly i: number;
}

/** What is due when, in memory, of which the first is known: by time, then as `compare` says, which begins with the time. */
export class DueHeap<T extends Due> {
  private heap: T[] = [];
  private readonly compare: (a: T, b: T) => number;

  constructor(compare: (a: T, b: T) => number) {
    this.compare = compare;
  }

  /** With what is in order. */
  reset(inOrder: T[]): void {
    this.heap = inOrder;
  }

  get size(): number {
    return this.heap.length;
  }

  get first(): T | undefined {
    return this.heap[0];
  }

  add(due: T): void {
    const { heap } = this;
    let i = heap.length;
    heap.push(due);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] as T;
      if (this.compare(above, due) <= 0) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = due;
  }

  take(): T | undefined {
    const { heap } = this;
    const [first] = heap;
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) this.sink(last);
    return first;
  }

  /** Puts one where the first was. */
  private sink(due: T): void {
    const { heap } = this;
    for (let i = 0; ;) {
      const child = this.earlierChild(i);
      const below = heap[child];
      if (below === undefined || this.compare(due, below) <= 0) {
        heap[i] = due;
        return;
      }
      heap[i] = below;
      i = child;
    }
  }

  private earlierChild(i: number): number {
    const left = 2 * i + 1;
    const [a, b] = [this.heap[left], this.heap[left + 1]];
    return a !== undefined && b !== undefined && this.compare(b, a) < 0 ? left + 1 : left;
  }

  /** The first ones that are due by then, in order. */
  due(by: number, most: number): T[] {
    const { heap } = this;
    const found: T[] = [];
    const open = new DueHeap<Place<T>>((a, b) => this.compare(a.due, b.due));
    const look = (i: number): void => {
      const due = heap[i];
      if (due !== undefined && due.at <= by) open.add({ at: due.at, due, i });
    };
    look(0);
    for (let next = open.take(); next !== undefined && found.length < most; next = open.take()) {
      found.push(next.due);
      look(2 * next.i + 1);
      look(2 * next.i + 2);
    }
    return found;
  }

  /** All, in no order. */
  all(): T[] {
    return [...this.heap];
  }

  inOrder(): T[] {
    return this.heap.toSorted(this.compare);
  }
}
