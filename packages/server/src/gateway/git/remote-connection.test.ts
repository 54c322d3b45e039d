import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { HostAddress } from "../hosts/addresses.ts";
import { anyAddress, commit, getRejection, git, gitServer, hostGit, Scratch } from "../testing.ts";
import type { AddressPolicy, GitHostRule } from "./address-policy.ts";
import type { Mirrors } from "./index.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const strict: GitHostRule = { pattern: "*", allowsPrivate: false, allowsLoopback: false, allowsHttp: true };
const toPolicy = (...hosts: Partial<GitHostRule>[]): AddressPolicy => ({
  hosts: hosts.map((host) => ({ ...strict, ...host })),
  localFolders: [],
});

interface Opening {
  readonly policy: AddressPolicy;
  readonly gitEnvironment?: Record<string, string>;
  /** The addresses of each name; other names are resolved as usual. */
  readonly names?: Record<string, string>;
}

/** Names that were resolved, in order. */
const lookups: string[] = [];

function open({ policy, gitEnvironment = {}, names = {} }: Opening): Mirrors {
  lookups.length = 0;
  return scratch.openMirrors({
    policy,
    gitEnvironment: { ...hostGit, ...gitEnvironment },
    findAddresses: async (name): Promise<HostAddress[]> => {
      lookups.push(name);
      return [{ address: names[name] ?? name, family: 4 }];
    },
  });
}

/** Starts a server that records its requests. */
async function startListener(answer: (url: string) => Record<string, string> | undefined) {
  const requests: { path: string; login: string | undefined }[] = [];
  const { url } = await scratch.listen((req, res) => {
    requests.push({ path: req.url ?? "", login: req.headers.authorization });
    const location = answer(req.url ?? "");
    if (location) res.writeHead(301, location).end();
    else res.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
  });
  return { url, requests };
}

describe("a remote over HTTP", () => {
  test.each([
    ["this machine", "127.0.0.1", /this machine/],
    ["the provider's metadata", "169.254.169.254", /never connects/],
    ["a private network", "10.1.2.3", /private network/],
    ["this machine in another notation", "::ffff:127.0.0.1", /this machine/],
  ])("whose name leads to %s is refused, and nothing connects to it", async (_what, address, reason) => {
    const { url, requests } = await startListener(() => undefined);
    const { port } = new URL(url);
    const mirrors = open({ policy: toPolicy({}), names: { "git.example": address } });
    expect(await getRejection(mirrors.ensure(`http://git.example:${port}/a`))).toMatchObject({
      code: "repository_refused",
      message: expect.stringMatching(reason),
    });
    expect(requests).toEqual([]);
  });

  test("is resolved by Wharf alone, and reached at the address that was checked", async () => {
    await scratch.repository("source");
    const { port } = new URL(await gitServer(scratch));
    // No other resolver of this machine knows the name.
    const mirrors = open({ policy: toPolicy({ allowsLoopback: true }), names: { "git.invalid": "127.0.0.1" } });
    await mirrors.ensure(`http://git.invalid:${port}/source/.git`);
    expect(new Set(lookups)).toEqual(new Set(["git.invalid"]));
  });

  test("may redirect to another path of its host", async () => {
    await scratch.repository("source");
    const behind = await gitServer(scratch);
    const { port } = new URL(behind);
    const { url } = await startListener((path) => ({
      location: `http://127.0.0.1:${port}${path.replace("/old", "/source/.git")}`,
    }));
    const mirrors = open({ policy: toPolicy({ allowsLoopback: true }) });
    expect(await mirrors.ensure(`${url}/old`)).toMatchObject({ default_branch: "main" });
  });

  test.each(["127.0.0.1", "[::1]", "169.254.169.254", "other.example"])(
    "that redirects to %s leads neither git nor its login there",
    async (target) => {
      const victim = await startListener(() => undefined);
      const { port } = new URL(victim.url);
      const source = await startListener(() => ({ location: `http://${target}:${port}/secret` }));
      const url = source.url.replace("127.0.0.1", "git.example");
      await writeFile(
        join(scratch.path, ".gitconfig"),
        '[credential]\n\thelper = "!f() { echo username=ada; echo password=pw; }; f"\n',
      );
      const mirrors = open({
        policy: toPolicy({ allowsLoopback: true }),
        gitEnvironment: { HOME: scratch.path },
        names: { "git.example": "127.0.0.1", "other.example": "127.0.0.1" },
      });
      expect(await getRejection(mirrors.ensure(`${url}/a`))).toMatchObject({
        code: "repository_refused",
        message: expect.stringContaining("redirects to another host"),
      });
      expect(source.requests.length).toBeGreaterThan(0);
      expect(victim.requests).toEqual([]);
    },
  );

  test("needs an entry that allows it, and one for http", async () => {
    const mirrors = open({ policy: toPolicy({ pattern: "*.example", allowsHttp: false }) });
    for (const url of ["https://example/a", "https://example.com/a", "git@other:a"])
      expect(() => mirrors.checkAddress(url)).toThrow(/list of git hosts does not contain/);
    expect(() => mirrors.checkAddress("http://a.example/a")).toThrow(/without encryption/);
    mirrors.checkAddress("https://a.example/a");
  });

  test.each([
    "https://127.0.0.1/a",
    "https://2130706433/a",
    "https://169.254.169.254/a",
    "ssh://git@[fe80::1]/a",
    "git@10.0.0.1:a",
  ])("%s is refused before anything connects", (url) => {
    expect(() => open({ policy: toPolicy({}) }).checkAddress(url)).toThrow(/its host has the address/);
  });

  test("that git's configuration rewrites is checked under its new address", async () => {
    const { url, requests } = await startListener(() => undefined);
    await writeFile(join(scratch.path, ".gitconfig"), `[url "${url}/"]\n\tinsteadOf = https://git.example/\n`);
    const mirrors = open({ policy: toPolicy({}), gitEnvironment: { HOME: scratch.path } });
    expect(await getRejection(mirrors.ensure("https://git.example/a"))).toMatchObject({ code: "repository_refused" });
    expect(requests).toEqual([]);
  });

  test("is left to the machine's own proxy, without redirects and without private names", async () => {
    const proxied: string[] = [];
    const { url } = await scratch.listen((req, res) => {
      proxied.push(req.url ?? "");
      res.writeHead(301, { location: "http://10.0.0.1/internal" }).end();
    });
    const names = { "git.example": "8.8.8.8", "inside.example": "10.0.0.1" };
    const mirrors = open({ policy: toPolicy({}), gitEnvironment: { http_proxy: url }, names });
    expect(await getRejection(mirrors.ensure("http://git.example/a"))).toMatchObject({
      code: "repository_unreachable",
    });
    expect(proxied).toEqual(["http://git.example/a/info/refs?service=git-upload-pack"]);
    expect(await getRejection(mirrors.ensure("http://inside.example/a"))).toMatchObject({ code: "repository_refused" });
    expect(proxied).toHaveLength(1);
  });
});

describe("a remote over ssh", () => {
  /** Installs an ssh that records its arguments and serves the repository on this machine. */
  async function installSsh(settings: string): Promise<{ calls: () => Promise<string>; command: string }> {
    const command = join(scratch.path, "ssh");
    const record = join(scratch.path, "ssh-calls");
    await writeFile(record, "");
    await writeFile(
      command,
      `#!/bin/sh\ncase " $* " in *" -G "*) printf '${settings}'; exit;; esac\necho "$*" >> ${record}\nfor last; do :; done\neval "$last"\n`,
    );
    await chmod(command, 0o755);
    return { calls: () => readFile(record, "utf8"), command };
  }

  test("is reached at the address that was checked, and its key is known under its name", async () => {
    const source = await scratch.repository("source");
    const { command, calls } = await installSsh("hostname git.corp\\nport 2222\\n");
    const mirrors = open({
      policy: toPolicy({ pattern: "work" }),
      gitEnvironment: { GIT_SSH_COMMAND: command },
      names: { "git.corp": "8.8.8.8" },
    });
    await mirrors.ensure(`git@work:${source}`);
    expect(await calls()).toContain("-o HostName=8.8.8.8 -o HostKeyAlias=[git.corp]:2222");
    expect(lookups).toContain("git.corp");
  });

  test("in a private network, or behind a jump host, needs an entry for private hosts", async () => {
    const source = await scratch.repository("source");
    const settings = ["hostname git.corp\\nport 22\\n", "hostname git.corp\\nproxyjump bastion\\n"];
    for (const [index, text] of settings.entries()) {
      const { command, calls } = await installSsh(text);
      const opening = { gitEnvironment: { GIT_SSH_COMMAND: command }, names: { "git.corp": "10.0.0.1" } };
      const refused = open({ ...opening, policy: toPolicy({}) });
      expect(await getRejection(refused.ensure(`git@work:${source}`))).toMatchObject({ code: "repository_refused" });
      expect(await calls()).toBe("");
      await open({ ...opening, policy: toPolicy({ allowsPrivate: true }) }).ensure(`git@work:${source}`);
      expect((await calls()).includes("HostName=10.0.0.1")).toBe(index === 0);
    }
  });
});

test("a path outside of the allowed folders is refused, also through a link", async () => {
  const secret = await scratch.repository("secret");
  const allowedFolder = join(scratch.path, "open");
  await mkdir(allowedFolder);
  await scratch.repository("open/source");
  await symlink(secret, join(allowedFolder, "link"));
  const mirrors = open({ policy: { hosts: [], localFolders: [allowedFolder] } });
  expect(await mirrors.ensure(join(allowedFolder, "source"))).toMatchObject({ default_branch: "main" });
  for (const url of [
    secret,
    `file://${secret}`,
    join(allowedFolder, "../secret"),
    join(allowedFolder, "link"),
    "/etc/nothing",
  ])
    expect(await getRejection(mirrors.ensure(url))).toMatchObject({ code: "repository_refused" });
});

test("each organisation has its own mirror", async () => {
  const source = await scratch.repository("source");
  const mirrors = open({ policy: anyAddress });
  const [a, b] = [
    await mirrors.ensure(source, { organization_id: "a" }),
    await mirrors.ensure(source, { organization_id: "b" }),
  ];
  expect(a.repository_id).not.toBe(b.repository_id);
  await commit(source, { "b.txt": "b" });
  await mirrors.ensure(source, { organization_id: "a" });
  const sha = await git(source, "rev-parse", "HEAD");
  expect([await mirrors.has(a.repository_id, sha), await mirrors.has(b.repository_id, sha)]).toEqual([true, false]);
  const push = { url: source, repository_id: a.repository_id, branch: "shadow/x", sha };
  expect(await getRejection(mirrors.forward({ ...push, organization_id: "b" }))).toMatchObject({
    code: "push_rejected",
  });
  await mirrors.forward({ ...push, organization_id: "a" });
});
