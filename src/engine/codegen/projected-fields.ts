import { rowInts, slotInts } from "../json/layout.ts";
import { projectorSource } from "../json/projector.ts";
import type { ProjectedField } from "../json/projector.ts";
import type { Slot } from "./shape.ts";

/** The fields that a chain reads of one record, in the order in which it asked for them first: each has a slot. */
export class ProjectedFields {
  private readonly buffer: string;
  private readonly first: number;
  private readonly fields = new Map<string, ProjectedField>();

  /** `buffer` is the variable that holds the record; a function that reads several records numbers their slots apart. */
  constructor(buffer: string, first = 0) {
    this.buffer = buffer;
    this.first = first;
  }

  readonly slot = (path: readonly string[]): Slot => {
    const key = JSON.stringify(path);
    const field = this.fields.get(key) ?? { path, slot: this.first + this.fields.size };
    this.fields.set(key, field);
    return slotOf(field.slot, this.buffer);
  };

  all(): readonly ProjectedField[] {
    return [...this.fields.values()];
  }

  /** Takes the fields out of an object in place of a record's bytes. */
  ofRow(row: string): string {
    return this.all()
      .map(({ path, slot: k }) => `v${k} = ${fieldOfRow(row, path)}; t${k} = v${k} === undefined ? 0 : 10;`)
      .join("\n      ");
  }

  declared(): string {
    return this.all()
      .map(({ slot: k }) => `let s${k} = 0, e${k} = 0, t${k} = 0, v${k} = U;`)
      .join("\n    ");
  }
}

/** Names of which no object or list has an inherited or an own meaning: reading such a property finds a field or nothing. */
const isOwnName = (name: string): boolean => /^[A-Za-z_]\w*$/.test(name) && !(name in []);

function fieldOfRow(row: string, path: readonly string[]): string {
  const [name, ...below] = path;
  if (name === undefined) return row;
  if (path.length > 2 || !path.every(isOwnName)) return `R.below(${row}, ${JSON.stringify(path)})`;
  const field = `${row}[${JSON.stringify(name)}]`;
  const [inner] = below;
  if (inner === undefined) return field;
  return `(typeof ${field} === "object" && ${field} !== null ? ${field}[${JSON.stringify(inner)}] : undefined)`;
}

function slotOf(k: number, buffer: string): Slot {
  const decoded = `t${k} === 3 ? plainInt(${buffer}, s${k}, e${k}) : decode(${buffer}, s${k}, e${k}, t${k})`;
  const js = `(v${k} !== U ? v${k} : (v${k} = ${decoded}))`;
  return { buffer, start: `s${k}`, end: `e${k}`, type: `t${k}`, js };
}

/**
 * Finds the fields of the record that is in `b` from `start` to `end`; `taken` is false where the tokenizer does not take
 * it. `layouts` is the variable of the shapes that are known of these records, which are tried first; the record is then
 * number `i` of its batch.
 */
export function scanSource(fields: readonly ProjectedField[], layouts?: string): string {
  const known = layouts === undefined ? "" : knownSource(fields, layouts);
  return `let taken = false;
    odd: {
      if (end <= start || end > MAX_SCAN_BYTES) break odd;
      ${known}
      p = start;
      ${projectorSource(fields)}
      taken = p === end;
      ${layouts === undefined ? "" : `if (taken) ${layouts}.learn(i);`}
    }`;
}

/** What `parse` makes of the statements that pick the fields from a parsed `value`. PARSED values have no bytes. */
export function pickSource(fields: readonly ProjectedField[], parse: (picks: string) => string): string {
  const picks = fields.map(
    ({ path, slot: k }) => `v${k} = R.below(value, ${JSON.stringify(path)}); t${k} = v${k} === undefined ? 0 : 10;`,
  );
  return parse(picks.join(" "));
}

/** The fast path, and the other. */
export const decodeSource = (
  fields: readonly ProjectedField[],
  parse: (picks: string) => string,
  layouts?: string,
): string =>
  `${scanSource(fields, layouts)}
    if (!taken) {
      ${pickSource(fields, parse)}
    }`;

function knownSource(fields: readonly ProjectedField[], layouts: string): string {
  const taken = fields.map(({ slot: k }, i) => {
    const at = slotInts(i);
    return `s${k} = found[at + ${at}]; e${k} = found[at + ${at + 1}]; t${k} = found[at + ${at + 2}];`;
  });
  return `if (i >= ${layouts}.next) ${layouts}.scan(i);
      const found = ${layouts}.rows, at = (i - ${layouts}.first) * ${rowInts(fields.length)};
      if (found[at] === 1) { ${taken.join(" ")} taken = true; break odd; }`;
}
