/** What to do about what js-yaml says is wrong, by its words. Most slips are expressions that YAML takes for something else. */
const HINTS: readonly (readonly [begins: string, hint: string])[] = [
  [
    "missed comma between flow",
    'an expression with a comma, a bracket, a quote or ": " in it needs quotes around it, as "event.a == \'b\'"',
  ],
  ["unknown scalar tag", 'a text that begins with ! needs quotes, as "!event.done"'],
  ["name of an alias node", "a text that begins with * needs quotes"],
  ["unidentified alias", "there is no &name of it above; a text that begins with * needs quotes"],
  ["name of an anchor node", "a text that begins with & needs quotes"],
  ["duplicated mapping key", "take one of the two out"],
  ["tab characters", "indent by spaces"],
  ["deficient indentation", "a bracket or a quote above is not closed, or this line has too few spaces before it"],
  ["bad indentation of a sequence", "each - stands below the one before it"],
  ["bad indentation of a mapping", 'names stand below each other; a text with ": " in it needs quotes around it'],
  ["can not read a block mapping entry", 'a ":" is missing behind a name, or a quote above is not closed'],
  ["unexpected end of the", "what is opened here, or above, is not closed"],
  ["null byte", "save the file as UTF-8"],
  ["the stream contains non-printable", "save the file as text, in UTF-8"],
];

/** js-yaml's reason, with what to do where that is known. */
export function hinted(reason: string): string {
  const hint = HINTS.find(([begins]) => reason.startsWith(begins))?.[1];
  return hint === undefined ? reason : `${reason}; ${hint}`;
}
