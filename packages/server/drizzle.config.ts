import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "postgresql",
  schema: "./packages/server/src/store/schema/index.ts",
  out: "./packages/server/src/store/migrations",
  casing: "snake_case",
});
