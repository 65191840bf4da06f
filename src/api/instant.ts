/** What is wrong with a time that has the right form, or null: month 13, 30 February. */
export function instantProblem(text: string): string | null {
  const day = Number(text.slice(8, 10));
  const date = new Date(text);
  const daysInMonth = new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)), 0)).getUTCDate();
  return Number.isNaN(date.getTime()) || day > daysInMonth ? `"${text}" is not a time that exists` : null;
}

/** What is wrong with the name of a time zone, or null. */
export function zoneProblem(zone: string): string | null {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return null;
  } catch {
    return `"${zone}" is not a known IANA time zone; write one such as Europe/Berlin`;
  }
}
