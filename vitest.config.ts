import { defineConfig } from "vitest/config";

/** Workflows that want the machine to themselves: some kill an engine, one looks at how long a neighbour waits. */
const alone = "test/{docker*,kubernetes*,hostile-runner}.test.ts";

/**
 * Units stand beside their source. `test/` holds whole workflows: they come after the units, two files at a time, because
 * each has a server, a PostgreSQL and sandboxes of its own.
 */
export default defineConfig({
  test: {
    reporters: ["default", "./test/setup/closing-reporter.ts"],
    globalSetup: ["test/setup/build.ts"],
    testTimeout: 30_000, // ms
    hookTimeout: 60_000, // ms
    // On a busy machine the default of a second is an expectation of speed.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["packages/{contract,daemon,agent,cli,client,web}/src/**/*.test.ts", "scripts/**/*.test.ts"],
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
          exclude: [alone],
          testTimeout: 120_000, // ms
          maxWorkers: 2, // most of the time they wait for a turn
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["test/browser/*.test.ts"],
          testTimeout: 120_000, // ms
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: [alone],
          testTimeout: 120_000, // ms
          fileParallelism: false,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          name: "conformance",
          include: ["test/conformance/*.test.ts"],
          testTimeout: 180_000, // ms
          hookTimeout: 240_000, // ms; a cluster takes its time to remove namespaces with pods in them
          maxWorkers: 4, // a pod is waited for most of the time
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
