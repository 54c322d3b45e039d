import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, launcher, ServerHarness } from "./support/server-harness.ts";

/** Two organizations share a server. Three people use it by command line, until one leaves. */
let folder: string;
let repository: string;
let url: string;
let wharf: ServerHarness;
let task: string;
const password = "correct horse battery";

beforeAll(async () => {
  folder = createScratchFolder();
  repository = createRepository(join(folder, "remote"));
  wharf = new ServerHarness(folder);
  await wharf.start();
  ({ url } = JSON.parse(readFileSync(join(wharf.data, "server.json"), "utf8")));
});
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type Person = "owner" | "ada" | "bob" | "carol";

/** The owner uses the server's data folder. The others have homes elsewhere, and its address. */
function getEnvironment(person: Person): Record<string, string> {
  if (person === "owner") return wharf.environment;
  const home = join(folder, "homes", person);
  mkdirSync(home, { recursive: true });
  return { PATH: process.env["PATH"] ?? "", HOME: home, WHARF_URL: url };
}

function start(person: Person, words: readonly string[], environment: Record<string, string> = {}) {
  return spawn(process.execPath, [launcher, ...words], {
    env: { ...getEnvironment(person), ...environment },
    stdio: ["pipe", "pipe", "pipe"],
  });
}

async function finish(child: ReturnType<typeof start>, stdin = "") {
  child.stdin.on("error", () => undefined).end(stdin);
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { code, out, err };
}

/** Runs a command as a person. Fails with what it printed unless it succeeds. */
async function as(person: Person, ...words: string[]): Promise<string> {
  const { code, out, err } = await finish(start(person, words));
  expect({ words, code, err: code === 0 ? "" : err }).toEqual({ words, code: 0, err: "" });
  return out;
}

/** Runs a command that is refused to a person. Returns what it says. */
async function refused(person: Person, ...words: string[]): Promise<string> {
  const { code, err } = await finish(start(person, words));
  expect({ words, code }).toEqual({ words, code: 2 });
  return err;
}

/** Opens a link that somebody sent to a person. */
async function openLink(person: Person, link: string): Promise<void> {
  expect(await finish(start(person, ["login", link.trim()]), `${password}\n`)).toMatchObject({ code: 0 });
}

test("an admin of another organization is invited, and sees nothing of the first one", async () => {
  await as("owner", "org", "create", "acme", "--title", "Acme");
  await openLink("ada", await as("owner", "user", "invite", "ada@example.com", "--role", "admin", "--org", "acme"));
  expect(await as("ada", "whoami")).toContain("admin");
  expect(await as("ada", "org", "ls")).not.toContain("home");
  expect(await refused("ada", "board", "ls", "--org", "home")).toContain("home");
  expect(await as("ada", "board", "ls")).not.toContain("Home");
  expect(await refused("ada", "org", "create", "second")).toContain("organization:create");
  expect(await refused("ada", "down")).not.toBe("");
});

test("a member sees a board from the moment it is shared", async () => {
  await as("ada", "board", "create", "Shop");
  await openLink("bob", await as("ada", "user", "invite", "bob@example.com", "--role", "member"));
  expect(await as("bob", "board", "ls")).not.toContain("Shop");
  const line = [
    "run",
    "demo: write a.txt by bob",
    "--repo",
    repository,
    "--agent",
    "demo",
    "--board",
    "Shop",
    "--json",
  ];
  expect(await refused("bob", ...line)).toContain("Shop");
  await as("ada", "board", "share", "Shop", "bob", "--role", "editor");
  const [last] = (await as("bob", ...line)).trim().split("\n").slice(-1);
  task = JSON.parse(last ?? "").task_id;
  expect(await as("bob", "task", "diff", task)).toContain("+by bob");
  expect(await as("bob", "workspace", "exec", task, "cat a.txt")).toBe("by bob");
  expect(await as("ada", "task", "show", task)).toContain("demo: write a.txt by bob");
  expect(await refused("bob", "user", "invite", "eve@example.com")).toContain("organization:admin");
  expect(await refused("bob", "audit", "ls")).toContain("audit:read");
});

test("a viewer reads in both organizations, and changes nothing", async () => {
  await openLink("carol", await as("owner", "user", "invite", "carol@example.com", "--role", "viewer"));
  expect(await refused("carol", "task", "show", task)).toContain("no task");
  const invitation = await as("ada", "user", "invite", "carol@example.com", "--role", "viewer");
  await openLink("carol", invitation);
  expect(await as("carol", "org", "ls")).toMatch(/home +viewer[^]*acme +viewer/);
  expect(await refused("carol", "task", "show", task, "--org", "acme")).toContain("no task");
  await as("ada", "board", "share", "Shop", "carol", "--role", "editor");
  expect(await as("carol", "task", "diff", task, "--org", "acme")).toContain("+by bob");
  expect(await refused("carol", "task", "prompt", task, "more", "--org", "acme")).toContain("task:prompt");
  expect(await refused("carol", "workspace", "exec", "--org", "acme", task, "true")).toContain("workspace:exec");
});

test("a program reads with a token that may do nothing else", async () => {
  const token = await as("bob", "token", "create", "ci", "--permission", "task:read");
  const environment = { WHARF_TOKEN: token.trim() };
  expect(await finish(start("bob", ["task", "show", task], environment))).toMatchObject({ code: 0 });
  expect(await finish(start("bob", ["task", "accept", task], environment))).toMatchObject({ code: 2 });
  expect(await finish(start("bob", ["token", "create", "more"], environment))).toMatchObject({ code: 2 });
});

test("a program works in a workspace with a token for nothing else", async () => {
  const permissions = ["read", "write", "exec"].flatMap((name) => ["--permission", `workspace:${name}`]);
  const environment = { WHARF_TOKEN: (await as("bob", "token", "create", "tool", ...permissions)).trim() };
  const use = (...line: string[]) => finish(start("bob", line, environment));
  expect(await use("task", "show", task)).toMatchObject({ code: 2 });
  expect(await use("workspace", "exec", task, "echo made > tool.txt; exit 3")).toMatchObject({ code: 3 });
  expect(await use("workspace", "cat", task, "tool.txt")).toMatchObject({ code: 0, out: "made\n" });
  expect(await use("workspace", "rm", task, "tool.txt")).toMatchObject({ code: 0 });
});

test("who leaves sees nothing from that moment, and the work stays", async () => {
  const token = (await as("bob", "token", "create", "laptop")).trim();
  const following = start("bob", ["task", "logs", task, "--follow"]);
  await once(following.stdout, "data");
  const ended = finish(following);
  await as("ada", "user", "rm", "bob");
  expect(await ended).toMatchObject({ code: 2 });
  expect(await refused("bob", "task", "show", task)).toContain("wharf login");
  const withToken = await finish(start("bob", ["task", "show", task], { WHARF_TOKEN: token }));
  expect(withToken).toMatchObject({ code: 2, out: "" });
  expect((await finish(start("bob", ["login", "--email", "bob@example.com"]), `${password}\n`)).code).toBe(2);
  expect(await as("ada", "task", "diff", task)).toContain("+by bob");
  expect(await as("carol", "task", "show", task, "--org", "acme")).toContain("by bob");
});

test("the audit log of each organization has its own acts, and only these", async () => {
  const acme = await as("ada", "audit", "ls");
  expect(acme).toMatch(/user ada +removeMember +user bob +ok/);
  expect(acme).toMatch(/user ada +createOrganization +denied/);
  // The owner invited ada into this organization, and carol into the other one.
  expect(acme.match(/user owner +\w+/g)).toEqual([expect.stringContaining("createInvitation")]);
  expect(await as("owner", "audit", "verify")).toContain("intact");
});
