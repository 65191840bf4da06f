const PLACEHOLDER = /\{\{|\$\{|\{([A-Za-z0-9_]+)\}/g;

/**
 * Fills `{name}` where a parameter of that name is given. `${name}` stays (HOCON, shells), `{{` is a literal brace, and
 * an unknown `{name}` stays too: it may be JSON or SQL.
 */
export function fillText(text: string, parameters: Readonly<Record<string, string>>): string {
  return text.replaceAll(PLACEHOLDER, (whole: string, name: string | undefined) => {
    if (whole === "{{") return "{";
    if (name === undefined || !Object.hasOwn(parameters, name)) return whole;
    return parameters[name] as string;
  });
}

/** Fills every string below a JSON value, but not its keys. */
export function fill(value: unknown, parameters: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") return fillText(value, parameters);
  if (Array.isArray(value)) return value.map((item) => fill(item, parameters));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, parameters)]));
}
