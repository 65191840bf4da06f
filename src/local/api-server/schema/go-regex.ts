const compiled = new Map<string, RegExp>();
const LEADING_FLAGS = /^\(\?([ims]+)\)/;

/** A regular expression as Go spells it: flags may lead, and classes may escape what JavaScript's strict mode would not. */
export function goRegex(source: string): RegExp {
  const known = compiled.get(source);
  if (known !== undefined) return known;
  const flags = LEADING_FLAGS.exec(source)?.[1] ?? "";
  const body = source.replace(LEADING_FLAGS, "");
  const regex = ((): RegExp => {
    try {
      return new RegExp(body, `${flags}u`);
    } catch {
      return new RegExp(body, flags);
    }
  })();
  compiled.set(source, regex);
  return regex;
}
