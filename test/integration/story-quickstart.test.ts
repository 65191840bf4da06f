import { describe, expect, it } from "vitest";
import { describeQuickstart } from "../builders/quickstart-story.ts";
import { storyTargets } from "../servers/story-cluster.ts";

const accounts = storyTargets.map(describeQuickstart);

describe("the two accounts of the story", () => {
  it("are the same", () => {
    const [embedded, real] = accounts.map((account) => {
      const { results: _, ...rest } = account();
      return rest;
    });
    expect(embedded).toEqual(real);
  });
});
