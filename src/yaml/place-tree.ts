import { EVENT_ID, getScalarValue } from "js-yaml";
import type { Event, ScalarEvent } from "js-yaml";

/** A value of a document with its place. Offsets count from the start of the text. */
export interface PlaceNode {
  readonly start: number;
  /** Of its key, in a map. */
  readonly key: number | undefined;
  readonly scalar: ScalarEvent | undefined;
  readonly items: readonly PlaceNode[];
  readonly fields: ReadonlyMap<string, PlaceNode>;
}

/** The tree of one document's events. What an alias stands for is found where it was written. */
export function placeTree(source: string, events: readonly Event[]): PlaceNode {
  return new TreeReader(source, events).document();
}

class TreeReader {
  private next = 1;
  private readonly anchors = new Map<string, PlaceNode>();
  private readonly source: string;
  private readonly events: readonly Event[];

  constructor(source: string, events: readonly Event[]) {
    this.source = source;
    this.events = events;
  }

  document(): PlaceNode {
    const found = this.isAtEnd() ? undefined : this.node(0, undefined);
    return found ?? leaf(0, undefined);
  }

  private isAtEnd(): boolean {
    const event = this.events[this.next];
    return event === undefined || event.type === EVENT_ID.POP;
  }

  /** `near` is where an empty value is shown. */
  private node(near: number, key: number | undefined): PlaceNode {
    const event = this.events[this.next++] as Event;
    if (event.type === EVENT_ID.ALIAS) {
      const target = this.anchors.get(this.source.slice(event.anchorStart, event.anchorEnd));
      return { ...(target ?? leaf(near, key)), start: event.anchorStart - 1, key };
    }
    const node = this.anchored(event, near, key);
    if ("anchorStart" in event && event.anchorStart >= 0)
      this.anchors.set(this.source.slice(event.anchorStart, event.anchorEnd), node);
    return node;
  }

  private anchored(event: Event, near: number, key: number | undefined): PlaceNode {
    switch (event.type) {
      case EVENT_ID.SCALAR:
        return { ...leaf(event.valueStart < 0 ? near : event.valueStart, key), scalar: event };
      case EVENT_ID.SEQUENCE:
        return { ...leaf(event.start, key), items: this.items(event.start) };
      case EVENT_ID.MAPPING:
        return { ...leaf(event.start, key), fields: this.fields(event.start) };
      default:
        return leaf(near, key);
    }
  }

  private items(near: number): PlaceNode[] {
    const items: PlaceNode[] = [];
    while (!this.isAtEnd()) items.push(this.node(near, undefined));
    this.next++;
    return items;
  }

  private fields(near: number): Map<string, PlaceNode> {
    const fields = new Map<string, PlaceNode>();
    while (!this.isAtEnd()) {
      const { start, scalar } = this.node(near, undefined);
      const name = scalar === undefined ? "" : getScalarValue(this.source, scalar);
      fields.set(name, this.node(start, start));
    }
    this.next++;
    return fields;
  }
}

const leaf = (start: number, key: number | undefined): PlaceNode => ({
  start,
  key,
  scalar: undefined,
  items: [],
  fields: new Map(),
});
