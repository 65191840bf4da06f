import { defineConfig } from "vitest/config";

/** A machine that has never run these tests builds a control plane in the first hook, if nobody has asked for it before. */
const BUILD_MS = 1_800_000;

/**
 * Waits end as soon as what they wait for is there. Their limits are for what never comes, and are far beyond what a busy
 * machine needs.
 */
const LONG = process.env["WEIR_LONG"] === "1";
const LONG_MS = 2 * 3_600_000;
const patient = { testTimeout: 600_000, hookTimeout: BUILD_MS, expect: { poll: { timeout: 60_000 } } };

/** Tiers run in this order by `make test`; `npx vitest --project unit` runs one of them. */
export default defineConfig({
  test: {
    reporters: ["default"],
    projects: [
      {
        test: {
          ...patient,
          name: "unit",
          include: ["src/**/*.test.ts", "config/samples/**/*.test.ts", "test/house/**/*.test.ts"],
          setupFiles: ["test/property/seed.ts"],
        },
      },
      {
        test: {
          ...patient,
          name: "property",
          include: ["test/property/**/*.test.ts"],
          setupFiles: ["test/property/seed.ts"],
          testTimeout: LONG ? LONG_MS : 600_000,
        },
      },
      {
        test: {
          ...patient,
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: LONG ? LONG_MS : 600_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...patient,
          name: "chaos",
          include: ["test/chaos/**/*.test.ts"],
          testTimeout: LONG ? LONG_MS : 900_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...patient,
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/e2e/setup.ts"],
          setupFiles: ["test/e2e/diagnosis.ts"],
          testTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
