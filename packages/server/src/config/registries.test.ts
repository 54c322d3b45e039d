import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readConfig } from "./index.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-registries-"));
  file = join(folder, "registries.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

const secret = "real-token-0123456789";
const readRegistries = (content: string) => {
  writeFileSync(file, content);
  return readConfig({ WHARF_REGISTRIES: file }).registries;
};

test("a file of registries names where their tokens are", () => {
  const registry = { name: "packages", kind: "npm", url: "https://npm.example/", token: { env: "NPM_TOKEN" } };
  expect(readRegistries(JSON.stringify({ registries: [registry] }))).toEqual([registry]);
  expect(readConfig({}).registries).toEqual([]);
});

test.each([
  ["broken JSON", `{"registries": [{"token": ${secret}}]}`, "it is not valid JSON"],
  ["a token in it", `{"registries": [{"name": "a", "token": "${secret}"}]}`, "registries.0."],
])("a file of registries with %s is refused without quoting it", (_what, content, reason) => {
  const refusal = expect.objectContaining({ code: "config_invalid", message: expect.stringContaining(reason) });
  let thrown: unknown;
  try {
    readRegistries(content);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toEqual(refusal);
  const { message, cause } = thrown as Error;
  expect(`${message} ${String(cause)}`).not.toContain(secret.slice(0, 10));
});
