import { defineConfig } from "vitest/config";

/** Tiers run in this order by `make test`; `npx vitest --project unit` runs one of them. */
export default defineConfig({
  test: {
    reporters: ["default"],
    projects: [
      { test: { name: "unit", include: ["src/**/*.test.ts", "test/house/**/*.test.ts"], testTimeout: 20_000 } },
      { test: { name: "property", include: ["test/property/**/*.test.ts"], testTimeout: 300_000 } },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "chaos",
          include: ["test/chaos/**/*.test.ts"],
          testTimeout: 600_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
