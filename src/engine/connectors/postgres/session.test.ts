import { expect, it } from "vitest";
import { numbered, quote } from "./session.ts";

it("numbers parameters, and leaves names alone that have a question mark", () => {
  const text = `SELECT ${quote('is it "so"?')}, 'why?' FROM ${quote("what?")} WHERE a = ? AND b = ?`;
  expect(numbered(text)).toBe(`SELECT "is it ""so""?", 'why?' FROM "what?" WHERE a = $1 AND b = $2`);
});
