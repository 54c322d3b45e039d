import { defineConfig } from "vitest/config";

/** Workflows with runners in Docker or Kubernetes. Several of these files run at once, as far as their engine allows. */
const engines = "test/{docker,kubernetes}*.test.ts";
/** A workflow that looks at how long a neighbour waits, and wants the machine to itself. */
const alone = "test/hostile-runner.test.ts";

/** A third one at a time would use the last of two processors, and make all of them slow. */
const workflowWorkers = 2;
/** Most of them wait: for a place at their engine, or for a pod. */
const engineWorkers = 20;
/** A cluster takes its time to remove namespaces with pods in them. */
const removalTimeout = 240_000; // ms

/**
 * Units stand beside their source. `test/` holds whole workflows: they come after the units, a few files at a time,
 * because each has a server, a PostgreSQL and sandboxes of its own.
 */
export default defineConfig({
  test: {
    reporters: ["default", "./test/setup/closing-reporter.ts"],
    globalSetup: ["test/setup/build.ts", "test/setup/engine-places.ts"],
    testTimeout: 60_000, // ms
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
          exclude: [alone, engines],
          testTimeout: 120_000, // ms
          maxWorkers: workflowWorkers,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          include: ["test/browser/*.test.ts"],
          testTimeout: 120_000, // ms
          maxWorkers: workflowWorkers,
          sequence: { groupOrder: 2 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: [alone],
          testTimeout: 120_000, // ms
          maxWorkers: 1,
          sequence: { groupOrder: 3 },
        },
      },
      {
        extends: true,
        test: {
          name: "engines",
          include: [engines],
          testTimeout: 120_000, // ms
          hookTimeout: removalTimeout,
          setupFiles: ["test/setup/take-engine-places.ts"],
          maxWorkers: engineWorkers,
          sequence: { groupOrder: 4 },
        },
      },
      {
        extends: true,
        test: {
          name: "conformance",
          include: ["test/conformance/*.test.ts"],
          testTimeout: 180_000, // ms
          hookTimeout: removalTimeout,
          setupFiles: ["test/setup/take-engine-places.ts"],
          maxWorkers: engineWorkers,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
