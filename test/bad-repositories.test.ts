import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { api } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FailureHarness } from "./support/failure-harness.ts";
import { type GitServer, startGitServer } from "./support/git-server.ts";
import { git, createRepository } from "./support/repository.ts";
import { createScratchFolder, isPushed, type ServerHarness } from "./support/server-harness.ts";

/** Bad repositories cause a clear error, and other tasks work as before. */
let gitServer: GitServer;
let harness: FailureHarness;
let wharf: ServerHarness;
let folder: string;
/** The folder of the server's settings. */
let settings: string;

beforeAll(async () => {
  settings = createScratchFolder();
  const credentials = join(settings, "git-credentials.json");
  const entry = { host: "127.0.0.1", path: "/team", token: { env: "TEAM_TOKEN" }, username: "ada" };
  writeFileSync(credentials, JSON.stringify({ credentials: [entry] }), { mode: 0o600 });
  harness = await FailureHarness.start({
    WHARF_GIT_HOSTS: "127.0.0.1+loopback+http",
    WHARF_GIT_CREDENTIALS: credentials,
    TEAM_TOKEN: "right",
  });
  wharf = harness.wharf;
  folder = harness.folder;
  gitServer = await startGitServer(folder, "ada:right");
});
afterAll(async () => {
  await harness?.[Symbol.asyncDispose]();
  await gitServer?.[Symbol.asyncDispose]();
  rmSync(settings, { recursive: true, force: true });
});

describe.concurrent("a repository that", () => {
  test("does not exist is reported with its address", async () => {
    const at = join(folder, "nowhere");
    await harness.expectFailure({
      fields: { repository_url: at },
      code: "repository_missing",
      message: new RegExp(`no repository at ${at}`),
      next: /Check the address/,
    });
  });

  test("is empty fails because it has no commit", async () => {
    mkdirSync(join(folder, "empty"));
    git(join(folder, "empty"), "init", "--quiet");
    await harness.expectFailure({
      fields: { repository_url: join(folder, "empty") },
      code: "repository_empty",
      message: /has no commits/,
      next: /first commit/,
    });
  });

  test("exceeds the size limit is refused and leaves nothing in the data folder", async () => {
    const huge = createRepository(join(folder, "huge"), { "big.bin": randomBytes(3 << 20).toString("latin1") });
    await harness.expectFailure({
      fields: { repository_url: huge },
      code: "repository_too_large",
      message: /larger than the limit of 1 MB/,
      next: /MAX_REPO_SIZE_MB/,
    });
  });

  test("needs a password fails with that reason, then works with a login of the server's user, which is in no log", async () => {
    const url = `${gitServer.url}/good/.git`;
    await harness.expectFailure({
      fields: { repository_url: url },
      code: "repository_auth",
      message: /requires a login/,
      next: /credential helper/,
    });
    const helper = "!f() { echo username=ada; echo password=right; }; f";
    git(folder, "config", "--file", join(folder, ".gitconfig"), `credential.${gitServer.url}.helper`, helper);
    const task = await wharf.createTask({ repository_url: url });
    await wharf.prompt(task, "demo: write a.txt let in");
    const log = await wharf.until(task.id, isPushed);
    expect(log.find(isPushed)?.data).toMatchObject({ status: "pushed" });
    expect(JSON.stringify(log)).not.toMatch(/ada|password=right/);
  });

  test("needs a password works with the server's entry for it, which its runner does not get", async () => {
    const team = createRepository(join(folder, "team/shop"));
    git(team, "config", "http.receivepack", "true");
    const task = await wharf.createTask({ repository_url: `${gitServer.url}/team/shop/.git` });
    await wharf.prompt(task, "demo: run env; echo environment shown\ndemo: write a.txt let in");
    const log = await wharf.until(task.id, isPushed);
    expect(git(team, "show", `${task.shadow_branch}:a.txt`)).toBe("let in");
    expect(JSON.stringify(log)).toContain("PATH=");
    expect(JSON.stringify(log)).not.toMatch(/TEAM_TOKEN|WHARF_GIT_PASSWORD/);
  });

  test.each(["https://ada:right@localhost/r.git", "https://ghp_token@localhost/r.git"])(
    "has a login in its address (%s) is refused before anything is stored",
    async (repository_url) => {
      const refused = await wharf.createTask({ repository_url }).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "bad_request" });
      expect(String(refused)).toContain("without a login");
    },
  );

  test("has submodules and files in Git LFS works without them, and nothing contacts their hosts", async () => {
    await using elsewhere = await startGitServer(folder);
    const modules = createRepository(join(folder, "modules"), {
      ".gitmodules": `[submodule "a"]\n\tpath = a\n\turl = ${elsewhere.url}/good/.git\n`,
      ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
      ".lfsconfig": `[lfs]\n\turl = ${elsewhere.url}/lfs\n`,
      "a.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    });
    git(modules, "update-index", "--add", "--cacheinfo", `160000,${"1".repeat(40)},a`);
    git(modules, "commit", "--quiet", "--message", "a submodule");
    const task = await wharf.createTask({ repository_url: modules });
    await wharf.prompt(task, "demo: write b.txt b");
    const log = await wharf.until(task.id, isPushed);
    const notices = log.flatMap(({ data }) => (data.kind === "notice" ? [data.message] : []));
    expect(notices).toContainEqual(expect.stringContaining("has submodules"));
    expect(notices).toContainEqual(expect.stringContaining("Git LFS"));
    expect(elsewhere.requests).toBe(0);
    expect(git(modules, "ls-tree", task.shadow_branch, "a")).toContain("160000");
  });

  test("lacks the requested branch is reported under the address that the person gave", async () => {
    await harness.expectFailure({
      fields: { branch: "no-such-branch" },
      code: "branch_missing",
      message: new RegExp(`${harness.repository} has no branch 'no-such-branch'`),
      next: /Name an existing branch/,
    });
  });

  test.each([
    ["ext::sh -c true", { code: "bad_request", message: expect.stringContaining("repository_url") }],
    ["https://169.254.169.254/latest", { code: "repository_refused" }],
    ["git@github.com:a/b", { code: "repository_refused", message: expect.stringContaining("github.com") }],
  ])(
    "has an address (%s) that the server does not use is refused before a task exists",
    async (repository_url, error) => {
      expect(await wharf.createTask({ repository_url }).catch((thrown: unknown) => thrown)).toMatchObject(error);
      const task = await wharf.createTask({ repository_url: harness.repository });
      const changed = wharf.client.call(api.updateTask, { params: { task_id: task.id }, body: { repository_url } });
      expect(await changed.catch((thrown: unknown) => thrown)).toMatchObject(error);
    },
  );
});
