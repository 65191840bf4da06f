import type { Leaf, Tree } from "./shape.ts";

/**
 * Generates the code that writes a built event as JSON into the scratch buffer `o`. A field that is unchanged since it
 * was read is copied as bytes; names and punctuation are stored byte by byte.
 */
export function serializerSource(root: Tree): string {
  const parts: string[] = ["o.at = 0;"];
  const literal: number[] = [];
  const flush = (): void => {
    const stores = literal.map((byte, i) => `ob[w + ${i}] = ${byte};`);
    parts.push(`w = o.take(${literal.length}); ob = o.bytes; ${stores.join(" ")}`);
    literal.length = 0;
  };
  const write = (node: Tree): void => {
    literal.push(123);
    let comma = "";
    for (const [name, child] of node.fields) {
      literal.push(...Buffer.from(`${comma}${JSON.stringify(name)}:`));
      comma = ",";
      if (child.kind === "tree") {
        write(child);
        continue;
      }
      flush();
      parts.push(leafSource(child));
    }
    literal.push(125);
  };
  write(root);
  flush();
  return parts.join("\n");
}

function leafSource({ slot, js, number }: Leaf): string {
  if (number) return `o.putNumber(${js});`;
  if (slot === undefined) return `o.putValue(${js});`;
  const { buffer, start, end, type } = slot;
  const wide = `o.putScanned({ buffer: ${buffer}, start: ${start}, end: ${end} }, ${type}, ${js})`;
  return `if (${type} < 8 && ${type} !== 4) o.put(${buffer}, ${start}, ${end}); else ${wide};`;
}
