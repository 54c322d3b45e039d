import { WharfError } from "@wharf/contract";
import { expect, test } from "vitest";
import { readConfig } from "./config.ts";

// S-003
test.each([
  [{}, "local"],
  [{ AGENT_MODE: "local" }, "local"],
  [{ AGENT_MODE: "mock" }, "mock"],
  [{ WHARF_BACKEND: "mock" }, "mock"],
  [{ AGENT_MODE: "remote", WHARF_BACKEND: "mock" }, "mock"],
  [{ AGENT_MODE: "mock", WHARF_BACKEND: "local" }, "local"],
])("%o means the backend '%s'", (environment, backend) => {
  expect(readConfig(environment).backend).toBe(backend);
});

test("a mode that names no backend, and a backend there is not, are refused by name", () => {
  expect(() => readConfig({ AGENT_MODE: "remote" })).toThrow(/AGENT_MODE.*WHARF_BACKEND/);
  expect(() => readConfig({ WHARF_BACKEND: "moon" })).toThrow(WharfError);
});
