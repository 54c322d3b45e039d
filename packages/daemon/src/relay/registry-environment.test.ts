import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  createRegistryEnvironment,
  formatRegistries,
  readRegistries,
  writeRegistryFiles,
} from "./registry-environment.ts";

const relayUrl = "http://127.0.0.1:4100";
const registries = [
  { name: "packages", kind: "npm" },
  { name: "wheels", kind: "pypi" },
  { name: "modules", kind: "go" },
  { name: "own-crates", kind: "cargo" },
  { name: "jars", kind: "maven" },
] as const;

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "wharf-home-"));
});
afterEach(() => rmSync(home, { recursive: true }));

test("each package manager finds its registry at the relay", () => {
  expect(createRegistryEnvironment(relayUrl, registries)).toMatchObject({
    npm_config_registry: `${relayUrl}/registries/packages/`,
    YARN_NPM_REGISTRY_SERVER: `${relayUrl}/registries/packages`,
    PIP_INDEX_URL: `${relayUrl}/registries/wheels/simple/`,
    GOPROXY: `${relayUrl}/registries/modules`,
    CARGO_REGISTRIES_OWN_CRATES_INDEX: `sparse+${relayUrl}/registries/own-crates/`,
  });
  expect(createRegistryEnvironment(relayUrl, [])).toEqual({});
});

test("registries pass through the daemon's environment, and another value is refused", () => {
  expect(readRegistries(formatRegistries(registries))).toEqual(registries);
  expect(readRegistries({})).toEqual([]);
  expect(() => readRegistries({ WHARF_REGISTRIES: '[{"name":"../x","kind":"npm"}]' })).toThrow();
});

test("Maven gets a file, and an existing one stays", async () => {
  const file = join(home, ".m2/settings.xml");
  await writeRegistryFiles(home, relayUrl, registries);
  expect(readFileSync(file, "utf8")).toContain(`<url>${relayUrl}/registries/jars/</url>`);
  writeFileSync(file, "mine");
  await writeRegistryFiles(home, relayUrl, registries);
  expect(readFileSync(file, "utf8")).toBe("mine");
});
