import { expect, test } from "vitest";
import { readConfig } from "./index.ts";

const describe = (environment: Record<string, string>) =>
  new Map(readConfig(environment).settings.map((setting) => [setting.name, setting]));

test("settings have their source, and the default if nothing else is set", () => {
  const settings = describe({ WHARF_MAX_RUNS: "3" });
  expect(settings.get("WHARF_MAX_RUNS")).toEqual({
    name: "WHARF_MAX_RUNS",
    source: "environment",
    is_secret: false,
    value: "3",
  });
  expect(settings.get("WHARF_IDLE")).toMatchObject({ source: "default", value: "15m" });
  expect(settings.get("WHARF_BACKEND")).toEqual({ name: "WHARF_BACKEND", source: "default", is_secret: false });
  expect(settings.has("PATH")).toBe(false);
});

test("no description contains a secret", () => {
  const secrets = {
    GEMINI_API_KEY: "hunter2-a",
    WHARF_SECRET: "hunter2-".repeat(5),
    DATABASE_URL: "postgresql://wharf:hunter2@db.example/wharf",
    OPENAI_BASE_URL: "https://user:hunter2@models.example/v1",
  };
  const settings = describe(secrets);
  expect(JSON.stringify([...settings.values()])).not.toContain("hunter2");
  expect(settings.get("GEMINI_API_KEY")).toEqual({ name: "GEMINI_API_KEY", source: "environment", is_secret: true });
  expect(settings.get("OPENAI_BASE_URL")?.value).toBe("https://models.example/v1");
});

test("every setting whose name says so is a secret", () => {
  const shown = [...describe({}).values()].filter(({ is_secret }) => !is_secret).map(({ name }) => name);
  expect(shown.filter((name) => /KEY|SECRET|PASSWORD|TOKEN|COMMAND|DATABASE/.test(name))).toEqual([
    "WHARF_KUBERNETES_IMAGE_PULL_SECRET",
    "WHARF_OIDC_CLIENT_SECRET_FILE",
    "WHARF_QUERY_TOKENS",
    "WHARF_RUN_TOKENS_PER_MINUTE",
    "WHARF_SECRET_FILE",
  ]);
});
