import { once } from "node:events";
import { chmod, chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "@wharf/server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toRepositoryUrl } from "../input/repository.ts";
import { createLocator } from "../server/server-address.ts";
import { getResolvedSettings, getLocalSettings, getSettings, isColourEnabled } from "./settings.ts";

/** This home excludes the settings file of the user who runs the tests. */
const home = { HOME: "/nonexistent" };

describe("settings", () => {
  test("look for a server in its data folder, by default or by name", () => {
    expect(getLocalSettings({}).dataFolder).toBe(readConfig({}).dataFolder);
    expect(getLocalSettings({ WHARF_DATA: "here" }).dataFolder).toBe(readConfig({ WHARF_DATA: "here" }).dataFolder);
  });

  test("prefer the address on the command line to the environment, and refuse an invalid one", () => {
    const urlOf = (...input: Parameters<typeof getResolvedSettings>) => getResolvedSettings(...input).url?.value;
    expect(urlOf({ ...home, WHARF_URL: "http://a:1" }, { url: "http://b:2/" })).toBe("http://b:2");
    expect(urlOf({ ...home, WHARF_URL: "http://a:1" })).toBe("http://a:1");
    expect(() => getResolvedSettings({ ...home, WHARF_URL: "a:1" })).toThrow("WHARF_URL");
  });

  test("enable colours only on a terminal, unless the user disabled them", () => {
    expect([
      isColourEnabled({}, true),
      isColourEnabled({}, false),
      isColourEnabled({ NO_COLOR: "1" }, true),
      isColourEnabled({ TERM: "dumb" }, true),
    ]).toEqual([true, false, false, false]);
  });
});

describe("finding the server", () => {
  let folder = "";
  const listening: Server[] = [];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "wharf-cli-"));
    await writeFile(join(folder, "owner-token"), "mine\n");
  });
  afterEach(async () => {
    for (const server of listening.splice(0)) server.close();
    await rm(folder, { recursive: true });
  });
  const locate = async (environment: Record<string, string>) =>
    createLocator(await getSettings({ ...home, WHARF_DATA: folder, ...environment }))();
  const announce = (url: string) => writeFile(join(folder, "server.json"), JSON.stringify({ url, pid: 1 }));
  const listen = async () => {
    const server = createServer().listen(join(folder, "server.sock"));
    listening.push(server);
    await once(server, "listening");
  };

  test("reports no server while none serves the folder, regardless of the address file", async () => {
    await expect(locate({})).rejects.toMatchObject({ code: "server_unreachable" });
    await announce("http://127.0.0.1:4000");
    await expect(locate({})).rejects.toMatchObject({ code: "server_unreachable" });
    await writeFile(join(folder, "server.sock"), "");
    await expect(locate({})).rejects.toMatchObject({ code: "server_unreachable" });
  });

  test("sends the folder's token only through the folder's socket", async () => {
    await announce("http://127.0.0.1:4000");
    const named = { WHARF_URL: "http://localhost:4000" };
    await expect(locate(named)).rejects.toMatchObject({ code: "server_unreachable" });
    await listen();
    const served = { url: "http://localhost", folder, token: "mine" };
    expect(await locate({})).toEqual(served);
    expect(await locate(named)).toEqual(served);
    expect(await locate({ WHARF_TOKEN: "theirs" })).toEqual({ ...served, token: "theirs" });
    expect(await locate({ ...named, WHARF_TOKEN: "theirs" })).toEqual({
      url: "http://localhost:4000",
      token: "theirs",
    });
    expect(await locate({ WHARF_URL: "http://elsewhere:4000" })).toEqual({ url: "http://elsewhere:4000" });
  });

  test.runIf(process.getuid?.() === 0)("rejects a socket of another user", async () => {
    await listen();
    await chown(join(folder, "server.sock"), 65_534, 65_534);
    await expect(locate({})).rejects.toThrow("belongs to another user");
  });

  test("reads nothing from a folder that others can write to", async () => {
    await chmod(folder, 0o777);
    await expect(locate({})).rejects.toMatchObject({ code: "data_folder_open" });
    expect(await locate({ WHARF_URL: "http://a:1", WHARF_TOKEN: "t" })).toEqual({ url: "http://a:1", token: "t" });
    await chmod(folder, 0o700);
  });
});

test("keeps a repository's address and makes a path absolute", () => {
  const addresses = ["https://example.com/a.git", "ssh://git@host/a", "git@host:team/a.git", "file:///srv/a"];
  expect(addresses.map((one) => toRepositoryUrl(one, "/home/me"))).toEqual(addresses);
  expect(["a", "./a/b", "/srv/a", "~/a", "../a:b"].map((one) => toRepositoryUrl(one, "/home/me"))).toEqual([
    "/home/me/a",
    "/home/me/a/b",
    "/srv/a",
    join(homedir(), "a"),
    "/home/a:b",
  ]);
});
