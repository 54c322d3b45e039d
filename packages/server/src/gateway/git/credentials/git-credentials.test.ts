import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commit, getRejection, git, gitServer, hostGit, Scratch } from "../../testing.ts";
import type { Mirrors } from "../index.ts";
import { checkGitCredentials, GitCredentials } from "./git-credentials.ts";

let scratch: Scratch;
let file: string;
beforeEach(async () => {
  scratch = await Scratch.make();
  file = join(scratch.path, "git-credentials.json");
});
afterEach(() => scratch[Symbol.asyncDispose]());

const writeEntries = (...credentials: object[]) => writeFile(file, JSON.stringify({ credentials }), { mode: 0o600 });

function open(environment: Record<string, string> = {}): Mirrors {
  return scratch.openMirrors({
    gitEnvironment: { ...hostGit, ...environment },
    credentials: new GitCredentials({ file, environment: { ...hostGit, ...environment } }),
  });
}

/** Writes a program that a test's entry names. */
async function writeProgram(name: string, script: string): Promise<string> {
  const path = join(scratch.path, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
  return path;
}

describe("a login over HTTP", () => {
  const secret = "s3cret-token-value";

  test.each([
    ["a variable", async () => ({ token: { env: "TOKEN" }, username: "ada" })],
    [
      "a file",
      async () => {
        await writeFile(join(scratch.path, "token"), `${secret}\n`);
        return { token: { file: join(scratch.path, "token") }, username: "ada" };
      },
    ],
    [
      "the output of a program",
      async () => ({ token: { command: [await writeProgram("print", `echo ${secret}`)] }, username: "ada" }),
    ],
    [
      "a program that speaks git's credential protocol",
      async () => ({
        command: [
          await writeProgram(
            "helper",
            `test "$1" = get && grep -q '^host=127.0.0.1:' && echo username=ada && echo password=${secret}`,
          ),
        ],
      }),
    ],
  ])("comes from %s, for fetches and pushes, and no command line contains it", async (_what, createEntry) => {
    const source = await scratch.repository("source");
    let commands = "";
    const getLogin = () => {
      commands += execFileSync("ps", ["-eo", "args"], { encoding: "utf8" });
      return `ada:${secret}`;
    };
    const server = await gitServer(scratch, { login: getLogin });
    await writeEntries({ host: "127.0.0.1", path: "/source", ...(await createEntry()) });
    const mirrors = open({ TOKEN: secret });
    const url = `${server}/source/.git`;
    const { repository_id } = await mirrors.ensure(url);
    const sha = await git(mirrors.path(repository_id), "commit-tree", "-m", "work", "-p", "main", "main^{tree}");
    await mirrors.forward({ url, repository_id, branch: "shadow/x", sha });
    expect(await git(source, "rev-parse", "shadow/x")).toBe(sha);
    expect(commands).toContain("git-remote-http");
    expect(commands).not.toContain(secret);
    expect(await git(mirrors.path(repository_id), "config", "--list")).not.toContain(secret);
  });

  test("that the host refuses is read again, and used if it changed", async () => {
    const source = await scratch.repository("source");
    let accepted = "x-access-token:first";
    const server = await gitServer(scratch, { login: () => accepted });
    const token = join(scratch.path, "token");
    await writeFile(token, "first");
    await writeEntries({ host: "127.0.0.1", token: { file: token } });
    const mirrors = open();
    await mirrors.ensure(`${server}/source/.git`);
    accepted = "x-access-token:second";
    await writeFile(token, "second");
    const sha = await commit(source, { "b.txt": "b" });
    const { repository_id } = await mirrors.ensure(`${server}/source/.git`);
    expect(await mirrors.has(repository_id, sha)).toBe(true);
  });

  test("that stays refused ends with an error that names the entry, after few requests", async () => {
    const logins: (string | undefined)[] = [];
    const { url } = await scratch.listen((req, res) => {
      logins.push(req.headers.authorization);
      res.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
    });
    const program = await writeProgram("print", `echo ${secret}-$$`);
    await writeEntries({ host: "127.0.0.1", token: { command: [program] } });
    const error = await getRejection(open().ensure(`${url}/a`));
    expect(error).toMatchObject({ code: "git_credential_refused", context: { entry: "127.0.0.1 (token)" } });
    expect(new Set(logins.filter(Boolean)).size).toBe(2);
    expect(logins.length).toBeLessThan(8);
    expect(`${JSON.stringify(error)}${String((error as Error).cause)}`).not.toContain(secret);
  });

  // K-091
  test("that a host repeats in its messages is removed from them", async () => {
    await scratch.repository("source");
    const hooks = join(scratch.path, "hooks");
    await mkdir(hooks);
    const encoded = Buffer.from(`x-access-token:${secret}`).toString("base64");
    await writeFile(join(hooks, "pre-receive"), `#!/bin/sh\necho "got ${secret} ${encoded}" >&2\nexit 1\n`, {
      mode: 0o755,
    });
    const server = await gitServer(scratch, { login: `x-access-token:${secret}`, hooks });
    await writeEntries({ host: "127.0.0.1", token: { env: "TOKEN" } });
    const mirrors = open({ TOKEN: secret });
    const url = `${server}/source/.git`;
    const { repository_id } = await mirrors.ensure(url);
    const sha = await git(mirrors.path(repository_id), "commit-tree", "-m", "work", "-p", "main", "main^{tree}");
    const error = await getRejection(mirrors.forward({ url, repository_id, branch: "shadow/x", sha }));
    expect(error).toMatchObject({ code: "push_rejected", message: expect.stringContaining("got *** ***") });
  });

  // K-091
  test("belongs to one organisation, and the logins of the server's user do not take its place", async () => {
    await scratch.repository("source");
    const organization = "22222222-2222-4222-8222-222222222222";
    const server = await gitServer(scratch, { login: "x-access-token:right" });
    await writeFile(
      join(scratch.path, ".gitconfig"),
      '[credential]\n\thelper = "!f() { echo username=x-access-token; echo password=right; }; f"\n',
    );
    await writeFile(join(scratch.path, ".netrc"), "machine 127.0.0.1 login x-access-token password right\n");
    await writeEntries({ host: "127.0.0.1", organization, token: { env: "TOKEN" } });
    const url = `${server}/source/.git`;
    const wrong = open({ TOKEN: "wrong", HOME: scratch.path });
    expect(await getRejection(wrong.ensure(url, { organization_id: organization }))).toMatchObject({
      code: "git_credential_refused",
    });
    await open({ TOKEN: "right" }).ensure(url, { organization_id: organization });
    expect(await getRejection(open({ TOKEN: "right" }).ensure(url, { organization_id: "other" }))).toMatchObject({
      code: "repository_auth",
    });
  });

  test.each([
    ["a missing variable", { token: { env: "MISSING" } }, "has no variable MISSING"],
    ["a missing file", { token: { file: "/nonexistent/token" } }, "its file does not exist (/nonexistent/token)"],
    ["a failing program", { token: { command: ["/bin/false"] } }, "its command ended with code 1 (/bin/false)"],
    ["a failing login program", { command: ["/bin/false"] }, "its command ended with code 1 (/bin/false)"],
    ["a program without an answer", { command: ["/bin/true"] }, "without a username"],
    ["a value of several lines", { token: { env: "LINES" } }, "contains a line break"],
  ])("from %s is an error that names the entry", async (_what, entry, reason) => {
    await writeEntries({ host: "127.0.0.1", ...entry });
    expect(await getRejection(open({ LINES: "a\nb" }).ensure("http://127.0.0.1:9/a"))).toMatchObject({
      code: "git_credential_unusable",
      context: { entry: expect.stringContaining("127.0.0.1"), reason: expect.stringContaining(reason) },
    });
  });
});

test("an ssh entry uses its key and its known hosts alone", async () => {
  const source = await scratch.repository("source");
  const record = join(scratch.path, "calls");
  const bin = join(scratch.path, "bin");
  await mkdir(bin);
  await writeProgram(
    "bin/ssh",
    `case " $* " in *" -G "*) echo hostname git.corp; exit;; esac\necho "$*" >> ${record}\nfor last; do :; done\neval "$last"`,
  );
  const ssh = { key_file: "/keys/it's", known_hosts_file: "/keys/known hosts" };
  await writeEntries({ host: "git.corp", ssh });
  const mirrors = scratch.openMirrors({
    gitEnvironment: { ...hostGit, PATH: `${bin}:${hostGit.PATH}`, GIT_SSH_COMMAND: "false" },
    credentials: new GitCredentials({ file, environment: {} }),
    findAddresses: async () => [{ address: "10.0.0.5", family: 4 }],
  });
  await mirrors.ensure(`git@git.corp:${source}`);
  const call = await readFile(record, "utf8");
  for (const option of [
    "-F /dev/null",
    "-i /keys/it's -o IdentitiesOnly=yes -o IdentityAgent=none",
    '-o UserKnownHostsFile="/keys/known hosts" -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes',
    "-o HostName=10.0.0.5 -o HostKeyAlias=git.corp",
  ])
    expect(call).toContain(option);
});

test.each([
  ["prints a token", (command: string[]) => ({ token: { command, environment: ["HELPER_TOKEN"] } })],
  ["prints a login", (command: string[]) => ({ command, environment: ["HELPER_TOKEN"] })],
])("a program that %s gets what its entry names of the server's environment, and no secret", async (_what, toEntry) => {
  const printed = join(scratch.path, "environment");
  const program = await writeProgram("print", `env > ${printed}\necho username=ada\necho password=${"p".repeat(20)}`);
  await writeEntries({ host: "127.0.0.1", ...toEntry([program]) });
  const environment = {
    ...hostGit,
    HOME: scratch.path,
    SSH_AUTH_SOCK: "/run/agent",
    HTTPS_PROXY: "http://proxy.example",
    HELPER_TOKEN: "named",
    WHARF_SECRET: "unnamed",
    DATABASE_URL: "postgresql://unnamed",
    GEMINI_API_KEY: "unnamed",
    GITHUB_TOKEN: "unnamed",
  };
  const credentials = new GitCredentials({ file, environment });
  const endpoint = { protocol: "https" as const, name: "127.0.0.1", port: undefined, user: undefined };
  const use = { endpoint, path: "/a", organizationId: "organization" };
  const entry = await credentials.find(use);
  await credentials.getLogin(entry!, use).catch(() => undefined);
  const lines = (await readFile(printed, "utf8")).split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      "HELPER_TOKEN=named",
      "SSH_AUTH_SOCK=/run/agent",
      "HTTPS_PROXY=http://proxy.example",
      `HOME=${scratch.path}`,
    ]),
  );
  expect(lines.join("\n")).not.toContain("unnamed");
});

describe("the file of entries", () => {
  test.each([
    ["not json", "is not JSON"],
    ['{"credentials":[{"host":"a"}]}', "one of token, github_app, command, ssh is required"],
    ['{"credentials":[{"host":"a","token":"value"}]}', "credentials.0.token"],
    ['{"credentials":[{"host":"https://a","token":{"env":"T"}}]}', "a host such as github.com"],
    ['{"credentials":[{"host":"a","token":{"env":"T"},"password":"x"}]}', "credentials.0"],
    ['{"credentials":[{"host":"a","username":"u","command":["c"]}]}', "a username belongs to a token"],
    ['{"credentials":[{"host":"a","token":{"env":"T"},"environment":["T"]}]}', "environment belongs to a command"],
  ])("with %s is refused", async (text, reason) => {
    await writeFile(file, text, { mode: 0o600 });
    expect(await getRejection(new GitCredentials({ file, environment: {} }).requireValidFile())).toMatchObject({
      code: "config_invalid",
      message: expect.stringContaining(reason),
    });
  });

  test("that others may change is refused: its entries name programs", async () => {
    await writeEntries();
    await chmod(file, 0o666);
    expect(await getRejection(new GitCredentials({ file, environment: {} }).requireValidFile())).toMatchObject({
      message: expect.stringContaining("other users may change"),
    });
  });

  test("is checked entry by entry", async () => {
    await writeEntries(
      { host: "a", token: { env: "T" } },
      { host: "b", token: { env: "MISSING" } },
      { host: "c", github_app: { app_id: 1, private_key_file: file } },
      { host: "d", ssh: { known_hosts_file: file } },
      { host: "e", command: ["/nonexistent/helper"] },
    );
    expect(await checkGitCredentials({ file, environment: { T: "t" } })).toEqual([
      { entry: "a (token)" },
      { entry: "b (token)", problem: "the server's environment has no variable MISSING" },
      { entry: "c (github_app)", problem: expect.any(String) },
      { entry: "d (ssh)", problem: expect.stringContaining("SSH_AUTH_SOCK") },
      { entry: "e (command)", problem: expect.stringContaining("ENOENT") },
    ]);
  });
});
