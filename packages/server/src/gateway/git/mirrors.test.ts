import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commit, getRejection, git, gitServer, hostGit, Scratch } from "../testing.ts";
import type { Mirrors } from "./index.ts";

let scratch: Scratch;
let mirrors: Mirrors;
const open = (maxRepositoryMb = 100) => scratch.openMirrors({ maxRepositoryMb });
beforeEach(async () => {
  scratch = await Scratch.make();
  mirrors = open();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const inMirror = (id: string, ...args: string[]) => git(mirrors.path(id), ...args);
const unfinished = async () => (await readdir(mirrors.folder)).filter((name) => name.startsWith("."));

const failing = (url: string, by = mirrors) => getRejection(by.ensure(url));

describe("a mirror of a repository", () => {
  test("is created from a local path with its branches, tags and default branch, and without hooks", async () => {
    const source = await scratch.repository("source");
    await git(source, "branch", "other");
    await git(source, "tag", "v1");
    await git(source, "checkout", "--quiet", "-b", "trunk");
    const sha = await commit(source, { "a.txt": "a" });
    const lines: string[] = [];
    const made = await mirrors.ensure(source, { onProgress: (line) => lines.push(line) });
    expect(made.default_branch).toBe("trunk");
    expect(made.repository_id).toMatch(/^[0-9a-f]{20}$/);
    expect(await mirrors.head(made.repository_id, "trunk")).toBe(sha);
    expect(await mirrors.head(made.repository_id, "nothing")).toBeUndefined();
    expect(await inMirror(made.repository_id, "for-each-ref", "--format=%(refname)")).toBe(
      "refs/heads/main\nrefs/heads/other\nrefs/heads/trunk\nrefs/tags/v1",
    );
    expect(await inMirror(made.repository_id, "symbolic-ref", "HEAD")).toBe("refs/heads/trunk");
    expect(existsSync(join(mirrors.path(made.repository_id), "hooks"))).toBe(false);
    expect(lines.length).toBeGreaterThan(0);
    expect(await unfinished()).toEqual([]);
  });

  test("is the same for a path, a link to it and its file address, and different for another repository", async () => {
    const source = await scratch.repository("source");
    const other = await scratch.repository("other");
    const ids = [];
    for (const url of [source, `${source}/`, `file://${source}`, other])
      ids.push((await mirrors.ensure(url)).repository_id);
    expect(new Set(ids.slice(0, 3)).size).toBe(1);
    expect(ids[3]).not.toBe(ids[0]);
  });

  test("follows the remote: new commits, rewritten branches and deleted branches", async () => {
    const source = await scratch.repository("source");
    await git(source, "branch", "gone");
    const { repository_id: id } = await mirrors.ensure(source);
    await git(source, "branch", "-D", "gone");
    await git(source, "commit", "--quiet", "--amend", "--message", "rewritten");
    await mirrors.ensure(source);
    expect(await mirrors.head(id, "main")).toBe(await git(source, "rev-parse", "main"));
    expect(await mirrors.head(id, "gone")).toBeUndefined();
  });

  test("keeps what tasks pushed to it, whether or not the remote has that branch", async () => {
    const source = await scratch.repository("source");
    const { repository_id: id } = await mirrors.ensure(source);
    const pushed = await inMirror(id, "commit-tree", "-m", "by a task", "main^{tree}", "-p", "main");
    for (const name of ["shadow/task-1", "shadow/task-2"])
      await inMirror(id, "update-ref", `refs/heads/${name}`, pushed);
    await git(source, "branch", "shadow/task-2");
    await mirrors.ensure(source, { shadow_branch: "shadow/task-2" });
    await mirrors.ensure(source);
    expect(await mirrors.head(id, "shadow/task-1")).toBe(pushed);
    expect(await mirrors.head(id, "shadow/task-2")).toBe(pushed);
  });

  test("fetches a missing task branch from the remote, and only that one", async () => {
    const source = await scratch.repository("source");
    for (const name of ["shadow/task-1", "shadow/task-2"]) await git(source, "branch", name);
    const { repository_id: id } = await mirrors.ensure(source);
    expect(await mirrors.head(id, "shadow/task-1")).toBeUndefined();
    await mirrors.ensure(source, { shadow_branch: "shadow/task-1" });
    expect(await mirrors.head(id, "shadow/task-1")).toBe(await git(source, "rev-parse", "main"));
    expect(await mirrors.head(id, "shadow/task-2")).toBeUndefined();
    await mirrors.ensure(source, { shadow_branch: "shadow/not-there" });
  });

  test("is fetched once for concurrent calls, and one that aborts does not end the fetch for the others", async () => {
    const source = await scratch.repository("source");
    const leaving = new AbortController();
    const first = mirrors.ensure(source, { signal: leaving.signal });
    const others = [mirrors.ensure(source), mirrors.ensure(source), mirrors.ensure(source)];
    leaving.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    const ids = (await Promise.all(others)).map((each) => each.repository_id);
    expect(new Set(ids).size).toBe(1);
    expect(await inMirror(ids[0] ?? "", "count-objects", "-v")).toContain("packs: 1");
  });

  test("leaves no files when all callers abort, and is created by the next caller", async () => {
    const source = await scratch.repository("source", { "big.bin": randomBytes(4_000_000).toString("hex") });
    const leaving = new AbortController();
    const given = mirrors.ensure(source, {
      signal: leaving.signal,
      onProgress: () => leaving.abort(new Error("enough")),
    });
    await expect(given).rejects.toThrow("enough");
    const { repository_id: id } = await mirrors.ensure(source);
    expect(await mirrors.head(id, "main")).toBeDefined();
    expect(await unfinished()).toEqual([]);
  });

  test("is fetched again after a killed git left its lock", async () => {
    const source = await scratch.repository("source");
    const { repository_id: id } = await mirrors.ensure(source);
    const sha = await commit(source, { "b.txt": "b" });
    const lock = join(mirrors.path(id), "refs", "heads", "main.lock");
    await mkdir(join(mirrors.path(id), "refs", "heads"), { recursive: true });
    await writeFile(lock, "");
    await utimes(lock, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
    await mirrors.ensure(source);
    expect(await mirrors.head(id, "main")).toBe(sha);
  });

  test("is created once git is installed, after a first failure without git", async () => {
    const source = await scratch.repository("source");
    const bin = join(scratch.path, "bin");
    await mkdir(bin);
    mirrors = scratch.openMirrors({ gitEnvironment: { PATH: bin } });
    await expect(mirrors.ensure(source)).rejects.toThrow("git is not installed");
    await symlink((await promisify(execFile)("which", ["git"])).stdout.trim(), join(bin, "git"));
    expect(await mirrors.ensure(source)).toMatchObject({ default_branch: "main" });
  });

  test("has its packs combined before there are many", async () => {
    const source = await scratch.repository("source");
    const { repository_id: id } = await mirrors.ensure(source);
    for (let n = 0; n < 45; n++) {
      await writeFile(join(scratch.path, "blob"), `${n}`);
      const blob = await inMirror(id, "hash-object", "-w", join(scratch.path, "blob"));
      await git(mirrors.path(id), "update-ref", `refs/tags/t${n}`, blob);
      await inMirror(id, "repack", "--quiet");
    }
    await commit(source, { "c.txt": "c" });
    await mirrors.ensure(source);
    const counted = await inMirror(id, "count-objects", "-v");
    expect(Number(/packs: (\d+)/.exec(counted)?.[1])).toBeLessThan(40);
    expect(await inMirror(id, "fsck", "--full")).not.toContain("missing");
  });
});

test("submodules and files in Git LFS are found, wherever the repository says so", async () => {
  const find = async (name: string, files: Record<string, string>) => {
    const source = await scratch.repository(name, files);
    const { repository_id } = await mirrors.ensure(source);
    return mirrors.findLeftOutParts(repository_id, await git(source, "rev-parse", "HEAD"));
  };
  const modules = '[submodule "a"]\n\tpath = a\n\turl = http://127.0.0.1/a\n';
  const attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n";
  expect(await find("plain", { "a.txt": "filter=lfs submodule" })).toEqual([]);
  expect(await find("modules", { ".gitmodules": modules })).toEqual(["submodules"]);
  expect(await find("both", { ".gitmodules": modules, "a/b/.gitattributes": attributes })).toEqual([
    "submodules",
    "lfs",
  ]);
});

describe("a repository that cannot be mirrored is reported with its problem", () => {
  test.each([
    "",
    "-c core.x=y",
    "--upload-pack=touch /tmp/x",
    "ext::sh -c id",
    "fd::17",
    "relative/path",
    "git://host/x",
    "ftp://host/x",
    "https://",
    "ssh://-oProxyCommand=id/x",
    "a\nb",
  ])("%j is not an address of a repository", async (url) => {
    expect(await failing(url)).toMatchObject({ code: "bad_request" });
  });

  test("a missing path, a file, a folder without a repository", async () => {
    await writeFile(join(scratch.path, "file"), "x");
    await mkdir(join(scratch.path, "folder"));
    for (const name of ["nothing", "file", "folder"])
      expect(await failing(join(scratch.path, name))).toMatchObject({ code: "repository_missing" });
    expect(await unfinished()).toEqual([]);
  });

  test("one in Wharf's own data folder, under any spelling", async () => {
    const { repository_id: id } = await mirrors.ensure(await scratch.repository("source"));
    const data = join(scratch.path, "data");
    await scratch.repository("data/runners/one/workspace");
    await scratch.repository("database");
    await symlink(data, join(scratch.path, "link"));
    const guarded = scratch.openMirrors({ folder: join(data, "mirrors"), privateFolder: data });
    for (const url of [
      join(data, "runners/one/workspace"),
      join(scratch.path, "link/runners/one/workspace/.git"),
      `file://${data}/mirrors/../runners/one/workspace`,
      data,
    ])
      expect(await failing(url, guarded)).toMatchObject({
        code: "bad_request",
        message: expect.stringContaining("data folder"),
      });
    expect(await failing(mirrors.path(id))).toMatchObject({ code: "bad_request" });
    expect(await guarded.ensure(join(scratch.path, "database"))).toMatchObject({ default_branch: "main" });
  });

  test("a repository without a commit", async () => {
    expect(await failing(await scratch.repository("empty", {}))).toMatchObject({ code: "repository_empty" });
  });

  test("over HTTP: wrong or missing password, missing repository, empty repository", async () => {
    await scratch.repository("source");
    await scratch.repository("empty", {});
    const server = await gitServer(scratch, { login: "ada:s3cr et/pw" });
    const withLogin = (password: string) => {
      const helper = `!f() { echo username=ada; echo 'password=${password}'; }; f`;
      const config = { GIT_CONFIG_GLOBAL: join(scratch.path, `gitconfig-${password.length}`) };
      const folder = join(scratch.path, "mirrors");
      const opened = scratch.openMirrors({ folder, gitEnvironment: { ...hostGit, ...config } });
      return { opened, write: () => writeFile(config.GIT_CONFIG_GLOBAL, `[credential]\n\thelper = "${helper}"\n`) };
    };
    expect(await failing(`${server}/source/.git`)).toMatchObject({ code: "repository_auth" });
    const wrong = withLogin("wrongpass");
    await wrong.write();
    const refused = await failing(`${server}/source/.git`, wrong.opened);
    expect(refused).toMatchObject({ code: "repository_auth" });
    expect(JSON.stringify(refused) + String(refused) + String((refused as Error).cause)).not.toContain("wrongpass");
    const right = withLogin("s3cr et/pw");
    await right.write();
    expect(await failing(`${server}/nothing/.git`, right.opened)).toMatchObject({ code: "repository_missing" });
    expect(await failing(`${server}/empty/.git`, right.opened)).toMatchObject({ code: "repository_empty" });
    const { repository_id: id, default_branch } = await right.opened.ensure(`${server}/source/.git`);
    expect(default_branch).toBe("main");
    expect(await mirrors.head(id, "main")).toBeDefined();
  });

  test("a host that refuses, a response that is not git's, a server that closes the connection", async () => {
    const closed = await new Promise<number>((resolve) => {
      const probe = createServer().listen(0, "127.0.0.1", () => {
        const address = probe.address();
        probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
      });
    });
    expect(await failing(`http://127.0.0.1:${closed}/x`)).toMatchObject({
      code: "repository_unreachable",
      context: { reason: expect.stringMatching(/connect|refused/i) },
    });
    const odd = await scratch.listen((_req, res) => res.end("<!doctype html>\n<title>not git</title>\n"));
    expect(await failing(`${odd.url}/x`)).toMatchObject({
      code: "repository_unreachable",
      context: { reason: expect.stringContaining("is this a git repository?") },
    });
    const broken = await scratch.listen((_req, res) => res.destroy());
    expect(await failing(`${broken.url}/x`)).toMatchObject({ code: "repository_unreachable" });
  });

  test("one that is too large is cancelled while it is being fetched", async () => {
    const source = await scratch.repository("huge", { "a.bin": randomBytes(3_000_000).toString("latin1") });
    const small = open(1);
    expect(await failing(source, small)).toMatchObject({ code: "repository_too_large", context: { limit_mb: 1 } });
    expect(await readdir(small.folder)).toEqual([]);
  });

  test("one that never ends is cut at the limit", async () => {
    await scratch.repository("source", { "a.bin": randomBytes(2_000_000).toString("latin1") });
    let sent = 0;
    const { url } = await scratch.listen((req, res) => {
      if (req.method === "GET") {
        const sha = "1".repeat(40);
        res.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
        res.end(
          `${line("# service=git-upload-pack\n")}0000${line(`${sha} HEAD\0side-band-64k ofs-delta symref=HEAD:refs/heads/main\n`)}${line(`${sha} refs/heads/main\n`)}0000`,
        );
        return;
      }
      res.writeHead(200, { "content-type": "application/x-git-upload-pack-result" });
      res.write("0008NAK\n");
      const header = Buffer.from("PACK\0\0\0\x02\0\0\xff\xff", "latin1");
      res.write(band(header));
      // The host sends one blob after another, stored without compression: a pack that announces
      // 65,535 objects and really sends them.
      const object = Buffer.concat([Buffer.from([0xbf, 0x60]), storedBlob(0x60f)]);
      const writeMore = () => {
        while (!res.destroyed) {
          sent += object.length;
          if (!res.write(band(object))) return void res.once("drain", writeMore);
        }
      };
      writeMore();
    });
    const error = await failing(url, open(2));
    expect(error).toMatchObject({ code: "repository_too_large" });
    expect(sent).toBeGreaterThan(2_000_000);
  });

  test("fsck refuses harmful objects", async () => {
    const source = await scratch.repository("evil");
    await writeFile(join(source, "x"), "x");
    const blob = await git(source, "hash-object", "-w", "x");
    const tree = Buffer.concat([Buffer.from("100644 .git\0"), Buffer.from(blob, "hex")]);
    await writeFile(join(scratch.path, "tree"), tree);
    const treeId = await git(source, "hash-object", "-t", "tree", "--literally", "-w", join(scratch.path, "tree"));
    await git(source, "update-ref", "refs/heads/main", await git(source, "commit-tree", "-m", "evil", treeId));
    expect(await failing(source)).toMatchObject({
      code: "repository_unreachable",
      context: { reason: expect.stringContaining("hasDotgit") },
    });
  });
});

const hex4 = (length: number) => length.toString(16).padStart(4, "0");
const line = (text: string) => hex4(text.length + 4) + text;
const band = (bytes: Buffer) => Buffer.concat([Buffer.from(hex4(bytes.length + 5)), Buffer.from([1]), bytes]);

/** Returns zlib's stored form of this many random bytes. */
function storedBlob(size: number): Buffer {
  const content = randomBytes(size);
  let a = 1;
  let b = 0;
  for (const byte of content) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  const head = Buffer.from([0x78, 0x01, 0x01, size & 255, size >> 8, ~size & 255, (~size >> 8) & 255]);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(((b << 16) | a) >>> 0);
  return Buffer.concat([head, content, check]);
}
