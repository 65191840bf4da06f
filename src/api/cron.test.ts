import { describe, expect, it } from "vitest";
import { cronProblem } from "./cron.ts";

describe("schedules", () => {
  it.each(["* * * * *", "0 2 * * SUN", "*/15 0-6,20 1,15 jan-mar 1-5/2", "59 23 31 12 7"])("accepts %s", (schedule) => {
    expect(cronProblem(schedule)).toBeNull();
  });

  it.each([
    ["60 * * * *", "minute"],
    ["* 24 * * *", "hour"],
    ["* * 0 * *", "day of month"],
    ["* * * 13 *", "month"],
    ["* * * * 8", "day of week"],
    ["* 9-5 * * *", "hour"],
    ["*/0 * * * *", "minute"],
    ["1-2-3 * * * *", "minute"],
    ["1/2/3 * * * *", "minute"],
    ["a * * * *", "minute"],
    [", * * * *", "minute"],
  ])("names the field of %s that is wrong", (schedule, field) => {
    expect(cronProblem(schedule)).toContain(`is no ${field}`);
  });

  it.each(["0 0 30 2 *", "0 0 31 4,jun *", "0 0 31 feb-feb *"])("refuses %s, which never comes", (schedule) => {
    expect(cronProblem(schedule)).toContain("never comes");
  });

  it.each(["0 0 29 2 *", "0 0 30,1 2 *", "0 0 31 2-3 *", "0 0 30 2 mon"])(
    "accepts %s, which comes at times",
    (schedule) => {
      expect(cronProblem(schedule)).toBeNull();
    },
  );

  it("wants five fields", () => {
    expect(cronProblem("0 2 * *")).toContain("does not have five fields");
  });
});
