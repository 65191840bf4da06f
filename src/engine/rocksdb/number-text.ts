/** Of a number in a name. */
export const NUMBER_DIGITS = 12;

/** Names are in the order of the numbers in them. */
export const numberText = (number: number): string => number.toString(16).padStart(NUMBER_DIGITS, "0");

export const numberIn = (text: string): number => Number.parseInt(text, 16);
