import { defineConfig } from "vitest/config";

/**
 * Units stand beside their source. `test/` holds whole workflows: they come after the units, one file at a time, because
 * each has a server, a PostgreSQL and sandboxes of its own.
 */
export default defineConfig({
  test: {
    reporters: ["default", "./test/setup/closing-reporter.ts"],
    globalSetup: ["test/setup/build.ts"],
    testTimeout: 30_000, // ms
    hookTimeout: 60_000, // ms
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["packages/{contract,runner,agent,cli}/src/**/*.test.ts", "scripts/**/*.test.ts"],
          maxWorkers: 3, // they wait more than they work
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "server",
          include: ["packages/server/src/**/*.test.ts"],
          globalSetup: ["packages/server/test/postgres.ts"],
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "product",
          include: ["test/*.test.ts"],
          testTimeout: 120_000, // ms
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "conformance",
          include: ["test/conformance/*.test.ts"],
          testTimeout: 60_000, // ms
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
