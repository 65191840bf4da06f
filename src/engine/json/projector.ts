/**
 * Generates the code that finds the fields a chain reads in one record, in one pass and without building anything else.
 * The record is in `b` from `p`; slot k gets its range and kind in s<k>, e<k>, t<k>. The code leaves by `break odd` for
 * what the tokenizer does not take; where it runs through, `p` is behind the value. A field named twice has its last value.
 */
export interface ProjectedField {
  readonly path: readonly string[];
  readonly slot: number;
}

/** Fields by the names on their paths. */
export interface FieldTrie {
  slot: number | undefined;
  readonly children: Map<string, FieldTrie>;
}

export function fieldTrie(fields: readonly ProjectedField[]): FieldTrie {
  const root: FieldTrie = { slot: undefined, children: new Map() };
  for (const { path, slot } of fields) {
    let at = root;
    for (const name of path) {
      let next = at.children.get(name);
      if (next === undefined) at.children.set(name, (next = { slot: undefined, children: new Map() }));
      at = next;
    }
    at.slot = slot;
  }
  return root;
}

export function projectorSource(fields: readonly ProjectedField[]): string {
  const root = fieldTrie(fields);
  return `p = skipSpace(b, p);\n${valueSource(root, 0)}\np = skipSpace(b, p);\n`;
}

const space = "if (b[p] <= 32) p = skipSpace(b, p);";

function valueSource(node: FieldTrie, depth: number): string {
  const scan = scanSource(depth);
  const k = node.slot;
  if (node.children.size === 0) return k === undefined ? `${scan} p = r >>> 4;` : `${scan} ${keep(k)}`;
  const reset = slotsBelow(node)
    .map((s) => `t${s} = 0;`)
    .join(" ");
  const start = k === undefined ? "" : `s${k} = p;`;
  const stop = k === undefined ? "" : `e${k} = p; t${k} = 8;`;
  const other = k === undefined ? "p = r >>> 4;" : keep(k);
  return `${reset} if (b[p] === 123) { ${start}\n${objectSource(node, depth)}\n${stop} } else { ${scan} ${other} }`;
}

/** Texts are the most frequent values and their scan is small enough to be inlined: worth the second call site. */
const scanSource = (depth: number): string =>
  `r = b[p] === 34 ? scanString(b, p) : scanValue(b, p, ${depth}); if (r < 0) break odd;`;

const keep = (k: number): string => `s${k} = p; t${k} = r & 15; p = e${k} = r >>> 4;`;

function slotsBelow(node: FieldTrie): number[] {
  return [...node.children.values()].flatMap((c) => [...(c.slot === undefined ? [] : [c.slot]), ...slotsBelow(c)]);
}

function objectSource(node: FieldTrie, depth: number): string {
  const byLength = Map.groupBy(node.children, ([name]) => name.length);
  const cases = [...byLength].map(([length, members]) => {
    const tests = members.map(
      ([name, child]) => `if (${nameTest(name, depth)}) { ${valueSource(child, depth + 1)}\nbreak member${depth}; }`,
    );
    return `case ${length}: ${tests.join("\n")} break;`;
  });
  return `p++; ${space}
if (b[p] === 125) p++; else for (;;) {
  if (b[p] !== 34) break odd;
  const q${depth} = ++p;
  while (plain[b[p]] === 1) p++;
  let l${depth} = p - q${depth};
  if (b[p] !== 34) { p = endOfName(b, q${depth}); if (p < 0) break odd; l${depth} = -1; }
  p++;
  if (b[p] !== 58) { p = skipSpace(b, p); if (b[p] !== 58) break odd; }
  p++; ${space}
  member${depth}: {
    switch (l${depth}) { ${cases.join("\n")} }
    ${scanSource(depth + 1)} p = r >>> 4;
  }
  ${space}
  if (b[p] === 44) { p++; ${space} continue; }
  if (b[p] !== 125) break odd;
  p++; break;
}`;
}

/** Names come from expressions and paths: letters, digits and underscores, compared byte by byte as numbers. */
function nameTest(name: string, depth: number): string {
  return [...Buffer.from(name)].map((byte, i) => `b[q${depth} + ${i}] === ${byte}`).join(" && ");
}
