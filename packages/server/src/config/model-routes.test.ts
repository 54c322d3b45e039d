import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readConfig } from "./index.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-routes-"));
  file = join(folder, "routes.json");
});
afterEach(() => rmSync(folder, { recursive: true }));

const secret = "real-key-0123456789";
const readRoutes = (content: unknown, environment: Record<string, string> = {}) => {
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return readConfig({ WHARF_ROUTES: file, ...environment }).modelRoutes;
};
const upstream = (values: object = {}) => ({ base_url: "https://a.example/v1", key: { file: "key" }, ...values });
const route = (values: object = {}) => ({ api: "openai", upstreams: [upstream()], ...values });

test("a key in the environment makes a route with one upstream", () => {
  const environment = { GEMINI_API_KEY: secret, OPENAI_API_KEY: "none", OPENAI_BASE_URL: "http://127.0.0.1:11434/v1" };
  expect(readConfig(environment).modelRoutes).toEqual({
    gemini: {
      api: "gemini",
      upstreams: [
        {
          baseUrl: "https://generativelanguage.googleapis.com",
          setting: "GEMINI_BASE_URL",
          weight: 1,
          key: { kind: "environment", name: "GEMINI_API_KEY", value: secret },
          organizations: [],
        },
      ],
    },
    openai: { api: "openai", upstreams: [expect.objectContaining({ baseUrl: "http://127.0.0.1:11434/v1" })] },
  });
  expect(readConfig({}).modelRoutes).toEqual({});
});

describe("a file of routes", () => {
  test("gives each route its upstreams, weights, keys and models", () => {
    const vault = {
      command: ["op", "read", "op://team/key"],
      ttl: "1h",
      environment: ["OP_TOKEN"],
    };
    const routes = {
      anthropic: {
        api: "anthropic",
        models: ["claude-*"],
        upstreams: [
          { base_url: "https://a.example", weight: 3, key: { env: "FIRST_KEY" } },
          { base_url: "https://b.example", weight: 0, timeout: "2m", key: { file: "keys/b" } },
          { base_url: "https://c.example", key: vault, organizations: ["org-1"] },
        ],
      },
      local: { api: "openai", upstreams: [upstream({ key: { file: "/run/key" } })] },
    };
    const environment = { FIRST_KEY: secret, OP_TOKEN: "t", GEMINI_API_KEY: "k", PATH: "/bin", OTHER: "1" };
    expect(readRoutes({ routes }, environment)).toEqual({
      gemini: expect.anything(),
      anthropic: {
        api: "anthropic",
        models: ["claude-*"],
        upstreams: [
          {
            baseUrl: "https://a.example",
            setting: `the base_url of routes.anthropic.upstreams[0] in ${file}`,
            weight: 3,
            key: { kind: "environment", name: "FIRST_KEY", value: secret },
            organizations: [],
          },
          expect.objectContaining({
            weight: 0,
            timeoutMs: 120_000,
            key: { kind: "file", path: join(folder, "keys/b") },
          }),
          expect.objectContaining({
            weight: 1,
            organizations: ["org-1"],
            key: {
              kind: "command",
              program: "op",
              args: ["read", "op://team/key"],
              environment: { PATH: "/bin", OP_TOKEN: "t" },
              ttlMs: 3_600_000,
            },
          }),
        ],
      },
      local: { api: "openai", upstreams: [expect.objectContaining({ key: { kind: "file", path: "/run/key" } })] },
    });
  });

  test("replaces the route of a key in the environment that has the same name", () => {
    const routes = readRoutes({ routes: { openai: route() } }, { OPENAI_API_KEY: secret, GEMINI_API_KEY: secret });
    expect(Object.keys(routes)).toEqual(["gemini", "openai"]);
    expect(routes["openai"]?.upstreams[0]?.key).toEqual({ kind: "file", path: join(folder, "key") });
  });

  test.each([
    ["no object", [], /the file: .*object/],
    ["a name that no address can hold", { routes: { "my route": route() } }, /routes\.my route: /],
    ["another API", { routes: { a: route({ api: "mistral" }) } }, /routes\.a\.api: /],
    ["no upstream", { routes: { a: route({ upstreams: [] }) } }, /routes\.a\.upstreams: a route needs an upstream/],
    ["a misspelt field", { routes: { a: route({ upstream: [] }) } }, /routes\.a: .*"upstream"/],
    [
      "no web address",
      { routes: { a: route({ upstreams: [upstream({ base_url: "file:///etc/passwd" })] }) } },
      /routes\.a\.upstreams\[0\]\.base_url: an address that begins with/,
    ],
    [
      "a password in an address",
      { routes: { a: route({ upstreams: [upstream({ base_url: `https://u:${secret}@a.example` })] }) } },
      /base_url: an address without a user/,
    ],
    [
      "a key in the file itself",
      { routes: { a: route({ upstreams: [upstream({ key: secret })] }) } },
      /routes\.a\.upstreams\[0\]\.key: /,
    ],
    [
      "two sources of a key",
      { routes: { a: route({ upstreams: [upstream({ key: { file: "a", env: "A" } })] }) } },
      /upstreams\[0\]\.key: give one of env, file and command/,
    ],
    [
      "no source of a key",
      { routes: { a: route({ upstreams: [upstream({ key: {} })] }) } },
      /upstreams\[0\]\.key: give one of env, file and command/,
    ],
    [
      "a time to live of a file",
      { routes: { a: route({ upstreams: [upstream({ key: { file: "a", ttl: "1m" } })] }) } },
      /ttl and environment belong to a command/,
    ],
    [
      "a short time to live",
      { routes: { a: route({ upstreams: [upstream({ key: { command: ["op"], ttl: "1s" } })] }) } },
      /key\.ttl: at least 30s/,
    ],
    [
      "a program by a relative path",
      { routes: { a: route({ upstreams: [upstream({ key: { command: ["./op"] } })] }) } },
      /key\.command\[0\]: a program's name, or its absolute path/,
    ],
    [
      "a negative weight",
      { routes: { a: route({ upstreams: [upstream({ weight: -1 })] }) } },
      /upstreams\[0\]\.weight: /,
    ],
    [
      "a variable that is not set",
      { routes: { a: route({ upstreams: [upstream(), upstream({ key: { env: "MISSING" } })] }) } },
      /routes\.a\.upstreams\[1\]\.key\.env: set MISSING in the server's environment/,
    ],
    [
      "a variable of a command that is not set",
      { routes: { a: route({ upstreams: [upstream({ key: { command: ["op"], environment: ["MISSING"] } })] }) } },
      /key\.environment\[0\]: set MISSING/,
    ],
    ["broken JSON", `{"routes": {"a": "${secret}" ]`, /is not valid JSON/],
    ["no JSON", secret, /is not valid JSON$/],
  ])("with %s is refused by file and place, without its content", (_what, content, reason) => {
    const read = () => readRoutes(content);
    expect(read).toThrow(reason);
    expect(read).toThrow(`WHARF_ROUTES is not valid: ${file}: `);
    expect(read).not.toThrow(secret);
  });

  test("that is missing or huge is refused", () => {
    expect(() => readConfig({ WHARF_ROUTES: file })).toThrow(`${file}: the file cannot be read`);
    writeFileSync(file, "");
    truncateSync(file, 100 * 1024 ** 3);
    expect(() => readConfig({ WHARF_ROUTES: file })).toThrow(`${file}: it has more than 1 MB`);
  });
});
