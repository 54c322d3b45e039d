import { once } from "node:events";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCommandLine } from "../testing.ts";
import { getResolvedSettings, getSettings } from "./settings.ts";

let folder = "";
let path = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-config-"));
  path = join(folder, ".config/wharf/config.toml");
  await mkdir(join(folder, ".config/wharf"), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => writeConfig(content));

const secret = "sk-very-secret";
const content = `# mine
profile = "home"

[profiles.home]
url = "http://127.0.0.1:4000/"

[profiles.work]
url = "https://wharf.example.com"
token = "${secret}"

[profiles."by file"]
token_file = "work-token"
url = "https://files.example.com"

[profiles.store]
url = "https://store.example.com"
token_command = "printf 'from-%s\\n' the-store"
`;

async function writeConfig(text: string, mode = 0o600): Promise<void> {
  await writeFile(path, text);
  await chmod(path, mode);
}
const settings = (
  environment: Record<string, string> = {},
  options: { url?: string; profile?: string; org?: string } = {},
) => getSettings({ HOME: folder, ...environment }, options);
const typed = (line: readonly string[], environment: Record<string, string> = {}) =>
  runCommandLine(line, { folder, environment });

describe("the settings file", () => {
  test("names servers: an option overrides the environment, then the profile, then the default", async () => {
    expect(await settings()).toMatchObject({ url: "http://127.0.0.1:4000" });
    expect(await settings({ WHARF_PROFILE: "work" })).toMatchObject({
      url: "https://wharf.example.com",
      token: secret,
    });
    expect((await settings({ WHARF_PROFILE: "work" }, { profile: "store" })).url).toBe("https://store.example.com");
    const environment = { WHARF_URL: "http://env:1", WHARF_TOKEN: "of-env" };
    expect(await settings(environment, { profile: "work" })).toMatchObject({ url: "http://env:1", token: "of-env" });
    expect((await settings(environment, { url: "http://flag:1" })).url).toBe("http://flag:1");
    await writeConfig(content.replace('profile = "home"', ""));
    expect(await settings()).not.toHaveProperty("url");
  });

  test("is found through XDG_CONFIG_HOME and WHARF_CONFIG, and WHARF_CONFIG must name an existing file", async () => {
    await mkdir(join(folder, "xdg/wharf"), { recursive: true });
    await writeFile(join(folder, "xdg/wharf/config.toml"), 'profile = "x"\n[profiles.x]\nurl = "http://xdg"\n');
    const xdg = { XDG_CONFIG_HOME: join(folder, "xdg") };
    expect((await settings(xdg)).url).toBe("http://xdg");
    expect((await settings({ ...xdg, WHARF_CONFIG: path })).url).toBe("http://127.0.0.1:4000");
    await expect(settings({ WHARF_CONFIG: join(folder, "none") })).rejects.toThrow("does not exist");
    expect(await settings({ XDG_CONFIG_HOME: folder })).not.toHaveProperty("url");
  });

  test("sends a profile's token only to the profile's server", async () => {
    expect(await settings({}, { profile: "work", url: "http://elsewhere:1" })).not.toHaveProperty("token");
    expect(await settings({ WHARF_URL: "http://elsewhere:1" }, { profile: "work" })).not.toHaveProperty("token");
    expect((await settings({}, { profile: "work", url: "https://wharf.example.com/" })).token).toBe(secret);
  });

  test("chooses an organization, for the profile's server only", async () => {
    await writeConfig(`[profiles.a]\nurl = "http://a"\norganization = "acme"\n`);
    const profile = "a";
    expect(await settings({}, { profile })).toMatchObject({ organization: "acme" });
    expect(await settings({}, { profile, url: "http://elsewhere:1" })).not.toHaveProperty("organization");
    const environment = { WHARF_ORGANIZATION: "of-env" };
    expect(await settings(environment, { profile })).toMatchObject({ organization: "of-env" });
    expect(await settings(environment, { profile, org: "of-option" })).toMatchObject({ organization: "of-option" });
    await expect(settings({}, { org: "a b" })).rejects.toThrow("--org: expected");
    await expect(settings({ WHARF_ORGANIZATION: "a b" })).rejects.toThrow("WHARF_ORGANIZATION");
    const { out } = await typed(["config", "show", "--profile", profile]);
    expect(out).toMatch(/^organization +acme +\S+config\.toml:3$/m);
  });

  test("reads a token from a file beside it or from a command's output", async () => {
    await writeFile(join(folder, ".config/wharf/work-token"), "in-a-file\n", { mode: 0o600 });
    expect((await settings({}, { profile: "by file" })).token).toBe("in-a-file");
    expect((await settings({}, { profile: "store" })).token).toBe("from-the-store");
  });

  test.each([
    ["exit 3", "the command ended with code 3"],
    ["kill -TERM $$", "the command ended with SIGTERM"],
    ["true", "no token"],
    ["echo two words", "no token"],
  ])("reports a failed token command: %s", async (command, words) => {
    await writeConfig(`[profiles.a]\nurl = "http://a"\ntoken_command = '${command}'\n`);
    await expect(settings({}, { profile: "a" })).rejects.toThrow(`${path}:3 (token_command) is not valid: ${words}`);
  });

  test("is refused with a command to run if it holds a token that others can read", async () => {
    await chmod(path, 0o640);
    await expect(settings()).rejects.toThrow(`(mode 0640); run \`chmod 600 ${path}\``);
    await writeConfig('[profiles.a]\nurl = "http://a"\ntoken_file = "open"\n', 0o644);
    await writeFile(join(folder, ".config/wharf/open"), "x");
    await chmod(join(folder, ".config/wharf/open"), 0o604);
    await expect(settings({}, { profile: "a" })).rejects.toThrow("chmod 600");
    await rm(join(folder, ".config/wharf/open"));
    await expect(settings({}, { profile: "a" })).rejects.toThrow("ENOENT");
  });

  test.each([
    ['profile = "home', ":1", "Invalid TOML document"],
    [`x = 1\n[profiles.a]\nurl = "http://a"\ntoken = "${secret}`, ":4", "Invalid TOML document"],
    ['[profiles.a]\nurl = "a:1"', ":2", "profiles.a.url: expected an http or https address"],
    ['[profiles.a]\nurl = "http://a"\ntokn = "b"', ":1", "profiles.a: unknown keys: tokn"],
    ['[profiles.a]\ntoken = "b"', ":1", "profiles.a.url: expected a value of the type string"],
    ['[profiles.a]\nurl = "http://a"\ntoken_file = "b"\ntoken_command = "c"', ":1", "only one of token, token_file"],
    ["url = 'http://a'", "", "unknown keys: url"],
  ])("is refused with the line: %j", async (text, line, words) => {
    await writeConfig(text);
    const { code, out, err } = await typed(["task", "ls"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toContain(`${path}${line} is not valid: `);
    expect(err).toContain(words);
    expect(err).not.toContain(secret);
  });

  test("lists the existing profiles if the requested one is unknown", async () => {
    const expected = "expected one of home, work, by file, store, got 'nowhere'";
    expect((await typed(["task", "ls", "--profile", "nowhere"])).err).toContain(`✗ --profile: ${expected}`);
    expect((await typed(["task", "ls"], { WHARF_PROFILE: "nowhere" })).err).toContain(expected);
    await rm(path);
    expect((await typed(["task", "ls", "--profile", "a"])).err).toContain(
      `a profile of ${path}, which has none, got 'a'`,
    );
  });

  test("directs a command to the profile's server with its token", async () => {
    const seen: unknown[] = [];
    const server = createServer((request, response) => {
      seen.push(request.headers.authorization, request.headers["x-wharf-organization"]);
      response.end('{"tasks":[],"total":0}');
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await writeConfig(`[profiles.a]\nurl = "http://127.0.0.1:${port}"\ntoken = "${secret}"\norganization = "acme"\n`);
    expect((await typed(["--profile", "a", "task", "ls"])).code).toBe(0);
    expect((await typed(["task", "ls", "--json"], { WHARF_PROFILE: "a" })).code).toBe(0);
    server.close();
    expect(seen).toEqual([`Bearer ${secret}`, "acme", `Bearer ${secret}`, "acme"]);
  });
});

describe("`config show`", () => {
  test("shows the source of each value, and never a token", async () => {
    const shown = async (line: readonly string[], environment: Record<string, string> = {}) => {
      const { code, out, err } = await typed(["config", "show", ...line], environment);
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect(out).not.toContain(secret);
      return out;
    };
    const work = await shown(["--profile", "work"]);
    expect(work).toMatch(/^profile +work +--profile$/m);
    expect(work).toMatch(/^url +https:\/\/wharf\.example\.com +\S+config\.toml:8$/m);
    expect(work).toMatch(/^token +set +\S+config\.toml:9 \(token\)$/m);
    expect(work).toMatch(/^data_folder +\S+ +WHARF_DATA$/m);
    const environment = { WHARF_URL: "http://env:1", WHARF_TOKEN: secret, WHARF_CONFIG: path };
    const { settings: rows } = JSON.parse(await shown(["--json"], environment)) as { settings: unknown[] };
    expect(rows).toEqual([
      { name: "config", value: path, source: "WHARF_CONFIG" },
      { name: "profile", value: "home", source: `${path}:2` },
      { name: "url", value: "http://env:1", source: "WHARF_URL" },
      { name: "token", value: "set", source: "WHARF_TOKEN" },
      { name: "organization" },
      { name: "data_folder", value: join(folder, "none"), source: "WHARF_DATA" },
    ]);
    expect(await shown(["--profile", "work", "--url", "http://x:1"])).toMatch(
      /^url +http:\/\/x:1 +--url\ntoken +– +not set$/m,
    );
  });

  test("runs no token command and contacts no server", async () => {
    await writeConfig(`[profiles.a]\nurl = "http://127.0.0.1:1"\ntoken_command = "touch ${join(folder, "ran")}"\n`);
    const { out } = await typed(["config", "show", "--profile", "a"]);
    expect(out).toContain("(token_command)");
    await expect(chmod(join(folder, "ran"), 0o600)).rejects.toThrow("ENOENT");
    expect(getResolvedSettings({ HOME: folder }, { profile: "a" }).token?.source).toBe(`${path}:3 (token_command)`);
  });
});
