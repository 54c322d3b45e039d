import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SavedLogins } from "./saved-logins.ts";

let folder: string;
let logins: SavedLogins;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-logins-"));
  logins = new SavedLogins({ XDG_CONFIG_HOME: folder });
});
afterEach(() => rmSync(folder, { recursive: true }));

const createLogin = (username: string) => ({
  access_token: "a",
  expires_at: 1,
  refresh_token: "r",
  session_id: "s",
  username,
});

test("a login belongs to the origin of its server", () => {
  logins.save("https://a.example/path", createLogin("ada"));
  logins.save("https://b.example:8443", createLogin("bob"));
  expect(logins.find("https://a.example")?.username).toBe("ada");
  expect(logins.find("https://b.example:8443/")?.username).toBe("bob");
  for (const other of ["http://a.example", "https://b.example", "https://a.example:444", "https://constructor"])
    expect(logins.find(other)).toBeUndefined();
  logins.remove("https://a.example");
  expect(logins.find("https://a.example")).toBeUndefined();
  expect(logins.find("https://b.example:8443")).toBeDefined();
});

test("the file is readable by its user alone, and nothing else is left beside it", () => {
  logins.save("https://a.example", createLogin("ada"));
  expect(statSync(logins.path).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(folder, "wharf"))).toEqual(["logins.json"]);
  chmodSync(logins.path, 0o644);
  expect(() => logins.find("https://a.example")).toThrow("other users can read it");
});

test("a damaged file is an error that names it", () => {
  logins.save("https://a.example", createLogin("ada"));
  writeFileSync(logins.path, "{");
  expect(() => logins.find("https://a.example")).toThrow(logins.path);
});
