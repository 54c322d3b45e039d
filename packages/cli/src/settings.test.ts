import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "@wharf/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { locator } from "./locate.ts";
import { repositoryUrl } from "./repository.ts";
import { readSettings, wantsColour } from "./settings.ts";

describe("settings", () => {
  it("look for a server where the server keeps its data, named or not", () => {
    expect(readSettings({}).dataFolder).toBe(readConfig({}).dataFolder);
    expect(readSettings({ WHARF_DATA: "here" }).dataFolder).toBe(readConfig({ WHARF_DATA: "here" }).dataFolder);
  });

  it("take the address from the command line before the environment, and refuse one that is none", () => {
    expect(readSettings({ WHARF_URL: "http://a:1" }, { url: "http://b:2/" }).url).toBe("http://b:2");
    expect(readSettings({ WHARF_URL: "http://a:1" }).url).toBe("http://a:1");
    expect(() => readSettings({ WHARF_URL: "a:1" })).toThrow("WHARF_URL");
  });

  it("want colours on a terminal only, and not from who declined", () => {
    expect([
      wantsColour({}, true),
      wantsColour({}, false),
      wantsColour({ NO_COLOR: "1" }, true),
      wantsColour({ TERM: "dumb" }, true),
    ]).toEqual([true, false, false, false]);
  });
});

describe("finding the server", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "wharf-cli-"));
    await writeFile(join(folder, "owner-token"), "mine\n");
  });
  afterAll(() => rm(folder, { recursive: true }));
  const locate = (environment: Record<string, string>) =>
    locator(readSettings({ WHARF_DATA: folder, ...environment }))();

  it("says that there is none while no server serves the folder", async () => {
    await expect(locate({})).rejects.toMatchObject({ code: "server_unreachable" });
  });

  it("gives the folder's token to the folder's server and to no other address", async () => {
    await writeFile(join(folder, "server.json"), JSON.stringify({ url: "http://127.0.0.1:4000", pid: 1 }));
    expect(await locate({})).toEqual({ url: "http://127.0.0.1:4000", token: "mine" });
    expect(await locate({ WHARF_URL: "http://localhost:4000" })).toEqual({
      url: "http://localhost:4000",
      token: "mine",
    });
    expect(await locate({ WHARF_URL: "http://elsewhere:4000" })).toEqual({ url: "http://elsewhere:4000" });
    expect(await locate({ WHARF_URL: "http://elsewhere:4000", WHARF_TOKEN: "theirs" })).toEqual({
      url: "http://elsewhere:4000",
      token: "theirs",
    });
  });

  it("takes a half-written address file as none", async () => {
    await writeFile(join(folder, "server.json"), '{"url":"http');
    await expect(locate({})).rejects.toMatchObject({ code: "server_unreachable" });
  });
});

it("takes a repository's address as it is and a path in full", () => {
  const addresses = ["https://example.com/a.git", "ssh://git@host/a", "git@host:team/a.git", "file:///srv/a"];
  expect(addresses.map((one) => repositoryUrl(one, "/home/me"))).toEqual(addresses);
  expect(["a", "./a/b", "/srv/a", "~/a", "../a:b"].map((one) => repositoryUrl(one, "/home/me"))).toEqual([
    "/home/me/a",
    "/home/me/a/b",
    "/srv/a",
    join(homedir(), "a"),
    "/home/a:b",
  ]);
});
