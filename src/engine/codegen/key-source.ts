import type { At, ChainWriter, Fail } from "./chain.ts";

/** Variables of a key's bytes. */
export interface KeyNames {
  readonly buffer: string;
  readonly start: string;
  readonly end: string;
}

/** The key's bytes: those of the record where they are canonical JSON already, else made from the value. */
export function keySource(
  chain: ChainWriter,
  key: string,
  { at, keys, declared, anyValue = false }: { at: At; keys: KeyNames; declared: string[]; anyValue?: boolean },
): (fail: Fail) => string {
  const k = `k${chain.id()}`;
  const value = chain.expression(key, at, declared);
  const slot = chain.copied(key, at)?.slot;
  return (fail) => {
    const general = `const ${k} = R.${anyValue ? "valueBytes" : "keyBytes"}(${value}); if (${k} !== undefined) ${fail(k)} ${keys.buffer} = R.key; ${keys.start} = 0; ${keys.end} = R.keyLength;`;
    if (slot === undefined) return general;
    const { buffer, start, end, type } = slot;
    const own = `${keys.buffer} = ${buffer}; ${keys.start} = ${start}; ${keys.end} = ${end};`;
    return `if (${type} === 1 || ${type} === 3) { ${own} } else { ${general} }`;
  };
}
