/** A whole number from 0 to less than `n`. */
export type Below = (n: number) => number;

/** Choices that are a function of `seed` (mulberry32). */
export function randomOf(seed: number): Below {
  let state = Math.imul(seed + 1, 0x9e37_79b9) | 0;
  return (n) => {
    state = (state + 0x6d2b_79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * n);
  };
}

const A = "a".codePointAt(0) as number;
const LETTERS = 26;
/** So many letters are made of one choice. */
const AT_ONCE = 6;
const SHORTEST = 3;

/** Letters, one in 13 of them a separator. */
export function words(below: Below, longest: number, separator = " "): string {
  const length = SHORTEST + below(longest - SHORTEST);
  const letters = Array.from({ length }, () =>
    below(13) === 0 ? separator : String.fromCodePoint(A + below(LETTERS)),
  );
  return letters.join("").trim();
}

/** What fills a record up to `mean` bytes, give or take a fifth, where its other fields take `taken`. */
export function filling(below: Below, taken: number, mean: number): string {
  if (taken > mean) return "";
  const delta = Math.round((mean - taken) * 0.2);
  return letters(below, mean - taken - delta + (delta === 0 ? 0 : below(2 * delta)));
}

function letters(below: Below, length: number): string {
  let text = "";
  for (let left = length; left > 0; left -= AT_ONCE) {
    let choice = below(LETTERS ** AT_ONCE);
    for (let i = 0; i < Math.min(left, AT_ONCE); i++) {
      text += String.fromCodePoint(A + (choice % LETTERS));
      choice = Math.floor(choice / LETTERS);
    }
  }
  return text;
}
