const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const pair = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`;

interface Step {
  below: number;
  text: (seconds: number) => string;
}

/** k8s.io/apimachinery/pkg/util/duration.HumanDuration, as a table: the first row that fits. */
const steps: readonly Step[] = [
  { below: 2 * MINUTE, text: (s) => `${s}s` },
  { below: 10 * MINUTE, text: (s) => pair(Math.floor(s / MINUTE), "m", s % MINUTE, "s") },
  { below: 3 * HOUR, text: (s) => `${Math.floor(s / MINUTE)}m` },
  { below: 8 * HOUR, text: (s) => pair(Math.floor(s / HOUR), "h", Math.floor(s / MINUTE) % 60, "m") },
  { below: 2 * DAY, text: (s) => `${Math.floor(s / HOUR)}h` },
  { below: 8 * DAY, text: (s) => pair(Math.floor(s / DAY), "d", Math.floor(s / HOUR) % 24, "h") },
  { below: 2 * 365 * DAY, text: (s) => `${Math.floor(s / DAY)}d` },
  { below: 8 * 365 * DAY, text: (s) => pair(Math.floor(s / DAY / 365), "y", Math.floor(s / DAY) % 365, "d") },
  { below: Infinity, text: (s) => `${Math.floor(s / DAY / 365)}y` },
];

export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  return steps.find((step) => seconds < step.below)?.text(seconds) ?? "";
}

/** The age of a time as tables show it. */
export function ageText(time: unknown, now: number): string {
  if (typeof time !== "string" || time === "") return "<unknown>";
  const at = Date.parse(time);
  return Number.isNaN(at) ? "<unknown>" : humanDuration(now - at);
}
