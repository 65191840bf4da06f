import { describe, expect, it } from "vitest";
import { handWritten, kinds, mistyped, samples, verdictOf } from "../../test/fixtures/api/corpus.ts";
import { schemaPlaces, usedPlaces } from "../../test/fixtures/api/mistakes.ts";
import { checkSpec } from "./check.ts";
import { objectSchema } from "./crd.ts";
import { violations } from "./violations.ts";

/** Inline passwords exist in the schema only to be rejected with a readable message. */
const NEVER_RIGHT = /\.password$/;

describe("the corpus of API objects", () => {
  it.each(handWritten("accepted").map((c) => [c.title, c] as const))("accepts %s", (_, { object }) => {
    expect(violations(object.kind, object)).toEqual([]);
    expect(checkSpec(object.kind, object.spec)).toEqual([]);
  });

  it.each(handWritten("rejected").map((c) => [c.title, c] as const))("rejects %s and says why", (_, c) => {
    const messages = violations(c.object.kind, c.object).map((v) => `${v.path}: ${v.message}`);
    expect(messages.join("\n")).toContain(c.expected[0]);
  });

  it.each(handWritten("refused").map((c) => [c.title, c] as const))("refuses %s in every place", (_, c) => {
    expect(violations(c.object.kind, c.object)).toEqual([]);
    const places = checkSpec(c.object.kind, c.object.spec).map((p) => p.path);
    expect(places.toSorted()).toEqual(c.expected.toSorted());
  });

  it.each(samples().map((object) => [`${object.kind} ${object.metadata.name}`, object] as const))(
    "accepts the sample %s",
    (_, object) => {
      expect(violations(object.kind, object)).toEqual([]);
      expect(checkSpec(object.kind, object.spec)).toEqual([]);
    },
  );

  it("rejects every field that is mistyped or out of its bounds", () => {
    const wrong = mistyped();
    expect(wrong.length).toBeGreaterThan(1000);
    expect(wrong.filter((c) => verdictOf(c.object) !== "rejected").map((c) => c.title)).toEqual([]);
  });

  it.each(kinds)("uses every field of %s rightly at least once", (kind) => {
    const good = [...handWritten("accepted"), ...handWritten("refused")].filter((c) => c.object.kind === kind);
    const used = usedPlaces(
      objectSchema(kind),
      good.map((c) => c.object),
    );
    const unused = schemaPlaces(objectSchema(kind)).filter((id) => !used.has(id) && !NEVER_RIGHT.test(id));
    expect(unused).toEqual([]);
  });
});
