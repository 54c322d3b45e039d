import { defineConfig } from "vitest/config";

/** Units stand beside their source; `test/` holds whole workflows, which need built bundles and more time. */
export default defineConfig({
  test: {
    reporters: ["default", "./test/setup/closing-reporter.ts"],
    globalSetup: ["test/setup/build.ts"],
    testTimeout: 20_000, // ms
    hookTimeout: 30_000, // ms
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["packages/{contract,runner,agent,cli}/src/**/*.test.ts", "scripts/**/*.test.ts"],
        },
      },
      {
        extends: true,
        test: {
          name: "server",
          include: ["packages/server/src/**/*.test.ts"],
          globalSetup: ["packages/server/test/postgres.ts"],
        },
      },
      {
        extends: true,
        test: { name: "product", include: ["test/*.test.ts"], testTimeout: 120_000, fileParallelism: false },
      },
    ],
  },
});
