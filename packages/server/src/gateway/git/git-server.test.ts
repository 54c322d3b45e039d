import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { GatewayContext } from "../context.ts";
import type { GatewayOptions } from "../gateway.ts";
import { commit, git, gitError, listeningGateway, Scratch, waitUntil } from "../testing.ts";
import { getFolderSize } from "./folder-size.ts";
import type { Mirrors } from "./index.ts";

let scratch: Scratch;
let mirrors: Mirrors;
let source: string;
let id: string;
const branch = "shadow/task-1";

beforeEach(async () => {
  scratch = await Scratch.make();
  mirrors = scratch.openMirrors();
  source = await scratch.repository("source");
  id = (await mirrors.ensure(source)).repository_id;
});
afterEach(() => scratch[Symbol.asyncDispose]());

const gateway = async (context: Partial<GatewayContext> = {}, limits: Partial<GatewayOptions> = {}) => {
  const made = await listeningGateway(scratch, {
    mirrors,
    limits,
    context: { repository_id: id, shadow_branch: branch, ...context },
  });
  return { ...made, remote: `${made.url}/git/${id}.git` };
};

async function clone(remote: string, name = "work"): Promise<string> {
  await git(scratch.path, "clone", "--quiet", remote, name);
  const folder = join(scratch.path, name);
  await git(folder, "checkout", "--quiet", "-B", branch);
  return folder;
}

describe("a runner's git", () => {
  test("clones and pushes its branch, and the server is notified of each push before git ends", async () => {
    const { remote, seen } = await gateway();
    const work = await clone(remote);
    const first = await commit(work, { "a.txt": "a" });
    await git(work, "push", "--quiet", "origin", branch);
    expect(seen.pushed).toEqual([{ ref: `refs/heads/${branch}`, sha: first }]);
    expect(await mirrors.head(id, branch)).toBe(first);

    await git(work, "commit", "--quiet", "--amend", "--message", "rewritten");
    const second = await git(work, "rev-parse", "HEAD");
    expect(await gitError(work, "push", "origin", branch)).toContain("non-fast-forward");
    await git(work, "push", "--quiet", "--force", "origin", branch);
    await git(work, "push", "--quiet", "origin", branch);
    expect(seen.pushed).toEqual([
      { ref: `refs/heads/${branch}`, sha: first },
      { ref: `refs/heads/${branch}`, sha: second, old_sha: first },
    ]);
    expect(seen.denied).toEqual([]);
  });

  test("clones shallow and pushes from there, and a push larger than git's buffer arrives complete", async () => {
    const { remote, seen } = await gateway();
    await commit(source, { "b.txt": "b" });
    await mirrors.ensure(source);
    await git(scratch.path, "clone", "--quiet", "--depth=1", remote, "shallow");
    const work = join(scratch.path, "shallow");
    const sha = await commit(work, { "big.bin": randomBytes(3_000_000).toString("latin1") });
    await git(work, "push", "--quiet", "origin", `HEAD:refs/heads/${branch}`);
    expect(seen.pushed.map((push) => push.sha)).toEqual([sha]);
    expect(await git(mirrors.path(id), "fsck", "--full")).not.toContain("missing");
  });

  test("gets no commit of another task, even if it knows the id", async () => {
    const theirs = await git(mirrors.path(id), "commit-tree", "-m", "theirs", "-p", "main", "main^{tree}");
    await git(mirrors.path(id), "update-ref", "refs/heads/shadow/task-2", theirs);
    const { remote } = await gateway();
    const work = await clone(remote);
    for (const version of ["0", "2"]) {
      expect(await gitError(work, "-c", `protocol.version=${version}`, "fetch", "origin", theirs)).toContain(theirs);
    }
  });

  test("sees its own task's branch and no other task's, with either protocol", async () => {
    for (const name of ["shadow/task-1", "shadow/task-2"])
      await git(mirrors.path(id), "update-ref", `refs/heads/${name}`, "main");
    await git(mirrors.path(id), "update-ref", "refs/wharf/forwarded/x", "main");
    const { remote } = await gateway();
    for (const version of ["0", "2"]) {
      const refs = await git(scratch.path, "-c", `protocol.version=${version}`, "ls-remote", "--symref", remote);
      expect(refs).toContain("ref: refs/heads/main\tHEAD");
      expect(refs).toContain("refs/heads/shadow/task-1");
      expect(refs).not.toContain("task-2");
      expect(refs).not.toContain("refs/wharf");
    }
  });

  test.each([
    ["the base branch", ["HEAD:refs/heads/main"], "only refs/heads/shadow/task-1 may be pushed here"],
    ["another task's branch", [`HEAD:refs/heads/shadow/task-2`], "only refs/heads/shadow/task-1 may be pushed here"],
    ["a tag", ["HEAD:refs/tags/v1"], "only refs/heads/shadow/task-1 may be pushed here"],
    [
      "its branch and another in one push",
      [`HEAD:refs/heads/${branch}`, "HEAD:refs/heads/x"],
      "a push may contain one branch",
    ],
    ["the removal of its branch", [`:refs/heads/${branch}`], "may not be deleted"],
    ["the removal of the base branch", [":refs/heads/main"], "only refs/heads/shadow/task-1 may be pushed here"],
  ])("is told why it may not push %s, and the mirror is unchanged", async (_what, refspecs, reason) => {
    await git(mirrors.path(id), "update-ref", `refs/heads/${branch}`, "main");
    const { remote, seen } = await gateway();
    const work = await clone(remote);
    await commit(work, { "a.txt": "a", "big.bin": randomBytes(100_000).toString("latin1") });
    const before = await git(mirrors.path(id), "for-each-ref");
    const packs = await readdir(join(mirrors.path(id), "objects", "pack"));
    const said = await gitError(work, "push", "--force", "origin", ...refspecs);
    expect(said).toContain(reason);
    expect(said).toContain("[remote rejected]");
    expect(await git(mirrors.path(id), "for-each-ref")).toBe(before);
    expect(await readdir(join(mirrors.path(id), "objects", "pack"))).toEqual(packs);
    expect(seen.pushed).toEqual([]);
    expect(seen.denied).toMatchObject([{ host: `git/${id}`, reason: expect.stringContaining("push of refs/") }]);
  });

  test("may not push if its run has no branch or not a task's branch", async () => {
    for (const shadow_branch of ["main", "shadow/../main", "shadow/"]) {
      const { remote, seen } = await gateway({ shadow_branch });
      const work = await clone(remote, `work${seen.denied.length}-${shadow_branch.replaceAll("/", "_")}`);
      expect(await gitError(work, "push", "origin", `HEAD:refs/heads/main`)).toContain("403");
      expect(seen.denied.at(-1)).toMatchObject({ reason: "this run may not push" });
    }
  });

  test("cannot push objects that could harm a checkout", async () => {
    const { remote, seen } = await gateway();
    const work = await clone(remote);
    await writeFile(join(work, "x"), "x");
    const blob = await git(work, "hash-object", "-w", "x");
    await writeFile(
      join(scratch.path, "tree"),
      Buffer.concat([
        Buffer.from("40000 .GIT\0"),
        Buffer.from(await git(work, "rev-parse", "HEAD^{tree}"), "hex"),
        Buffer.from("100644 y\0"),
        Buffer.from(blob, "hex"),
      ]),
    );
    const tree = await git(work, "hash-object", "-t", "tree", "--literally", "-w", join(scratch.path, "tree"));
    const evil = await git(work, "commit-tree", "-m", "evil", "-p", "HEAD", tree);
    expect(await gitError(work, "push", "origin", `${evil}:refs/heads/${branch}`)).toContain("hasDotgit");
    expect(await mirrors.head(id, branch)).toBeUndefined();
    expect(seen.pushed).toEqual([]);
  });

  test(
    "can overwrite its branch with large commits repeatedly without filling the mirror",
    { timeout: 90_000 },
    async () => {
      mirrors = scratch.openMirrors({ maxMirrorMb: 3 });
      const { remote, seen } = await gateway();
      const work = await clone(remote);
      for (let n = 0; n < 5; n++) {
        await git(work, "reset", "--quiet", "--hard", "origin/main");
        await commit(work, { "big.bin": randomBytes(2_000_000).toString("latin1") });
        await git(work, "push", "--quiet", "--force", "origin", branch);
      }
      expect(seen.pushed).toHaveLength(5);
      expect(seen.denied).toEqual([]);
      await waitUntil(async () => (await getFolderSize(mirrors.path(id))) < 3 * 1024 * 1024 + 100_000);
      expect(await mirrors.head(id, branch)).toBe(await git(work, "rev-parse", "HEAD"));
      expect(await git(mirrors.path(id), "fsck", "--full")).not.toContain("missing");
    },
  );

  test("gets an error when the mirror is full, and can push again once there is room", async () => {
    mirrors = scratch.openMirrors({ maxMirrorMb: 3 });
    const { remote, seen } = await gateway();
    const work = await clone(remote);
    await commit(work, { "big.bin": randomBytes(4_000_000).toString("latin1") });
    await git(work, "push", "--quiet", "origin", branch);
    const sha = await commit(work, { "small.txt": "small" });
    expect(await gitError(work, "push", "origin", branch)).toMatch(
      /mirror of this repository has \d+ MB and its limit is 3 MB; push less, or raise MAX_REPO_SIZE_MB/,
    );
    expect(await mirrors.head(id, branch)).not.toBe(sha);
    expect(seen.denied).toMatchObject([{ reason: expect.stringContaining("its limit is 3 MB") }]);
    await mirrors.removeBranches(id, [branch]);
    await git(work, "reset", "--quiet", "--hard", "origin/main");
    await commit(work, { "small.txt": "small" });
    await git(work, "push", "--quiet", "--force", "origin", branch);
    expect(await mirrors.head(id, branch)).toBe(await git(work, "rev-parse", "HEAD"));
  });

  test("cannot push more than the limit of a repository or of a request", async () => {
    mirrors = scratch.openMirrors({ maxRepositoryMb: 1 });
    const { remote } = await gateway();
    const work = await clone(remote);
    await commit(work, { "big.bin": randomBytes(2_500_000).toString("latin1") });
    expect(await gitError(work, "push", "origin", branch)).toMatch(/exceeds maximum|unpack|remote/);
    const narrow = await gateway({}, { maxPushBytes: 1_000_000 });
    expect(await gitError(work, "push", narrow.remote, branch)).toMatch(/413|hung up|disconnect/);
    expect(await mirrors.head(id, branch)).toBeUndefined();
    await waitUntil(
      async () => !(await readdir(join(mirrors.path(id), "objects"))).some((name) => name.includes("incoming")),
    );
  });
});

describe("a request to the mirrors", () => {
  test("is accepted only for the task's own repository and the four addresses that git needs", async () => {
    const other = (await mirrors.ensure(await scratch.repository("other"))).repository_id;
    const { url, seen } = await gateway();
    const own = `/git/${id}.git`;
    const paths = [
      `/git/${other}.git/info/refs?service=git-upload-pack`,
      `${own}/info/refs`,
      `${own}/HEAD`,
      `${own}/config`,
      `${own}/objects/info/packs`,
      `${own}/../${other}.git/info/refs?service=git-upload-pack`,
      `${own}/info/refs?service=git-upload-archive`,
      `${own}/git-upload-pack`,
      `/git/%2e%2e/info/refs?service=git-upload-pack`,
      `/git/`,
    ];
    for (const path of paths) {
      const answer = await rawGet(url, path);
      expect(`${path} ${answer.split("\r\n")[0]}`).toBe(`${path} HTTP/1.1 403 Forbidden`);
      expect(answer).toContain('"code":"egress_denied"');
    }
    expect(seen.denied).toHaveLength(paths.length);
    expect(await rawGet(url, `${own}/info/refs?service=git-upload-pack`)).toMatch(/^HTTP\/1.1 200 /);
  });

  test("may be compressed, within the limit of its unpacked size", async () => {
    const { remote } = await gateway();
    const post = (body: Buffer) =>
      fetch(`${remote}/git-upload-pack`, {
        method: "POST",
        headers: { "content-type": "application/x-git-upload-pack-request", "content-encoding": "gzip" },
        body: new Uint8Array(body),
      });
    const main = (await mirrors.head(id, "main")) ?? "";
    const good = await post(gzipSync(`0032want ${main}\n00000009done\n`));
    expect(good.status).toBe(200);
    expect(Buffer.from(await good.arrayBuffer()).toString("latin1")).toContain("PACK");
    // Git may have begun its answer when it is cut off; the answer is then reset, never ended.
    const getOutcome = (body: Buffer) =>
      post(body)
        .then(
          async (answer) => `${answer.status} ${(await answer.arrayBuffer()).byteLength}`,
          () => "reset",
        )
        .catch(() => "reset");
    expect(await getOutcome(gzipSync(Buffer.alloc(100_000_000, `0032have ${"1".repeat(40)}\n`), { level: 1 }))).toMatch(
      /^(reset|413 )/,
    );
    expect(await getOutcome(Buffer.from("not gzip at all"))).toMatch(/^(reset|400 )/);
  });

  test("ends git when the runner disconnects, whether it was sending or receiving", async () => {
    await commit(source, { "big.bin": randomBytes(8_000_000).toString("latin1") });
    await mirrors.ensure(source);
    const wants = `0032want ${await mirrors.head(id, "main")}\n00000009done\n`;
    const { url } = await gateway();
    for (const [length, body] of [
      [1000, "0032want"],
      [wants.length, wants],
    ] as const) {
      const before = new Set(await gitProcesses());
      const socket = connect(Number(new URL(url).port), "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(
        `POST /git/${id}.git/git-upload-pack HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-git-upload-pack-request\r\ncontent-length: ${length}\r\n\r\n${body}`,
      );
      let mine: number[] = [];
      await waitUntil(async () => (mine = (await gitProcesses()).filter((pid) => !before.has(pid))).length > 0);
      if (body === wants) await once(socket, "readable");
      socket.destroy();
      await waitUntil(async () => !(await gitProcesses()).some((pid) => mine.includes(pid)));
      expect(mine).toHaveLength(1);
    }
  });

  test("waits for its turn among the fetches of all runners, and ends with its runner", async () => {
    const { url, server } = await gateway({}, { maxFetches: 1 });
    let received = 0;
    server.on("request", () => received++);
    const path = `/git/${id}.git/info/refs?service=git-upload-pack`;
    const before = new Set(await gitProcesses());
    const holder = connect(Number(new URL(url).port), "127.0.0.1");
    holder.on("error", () => undefined);
    holder.write(
      `POST /git/${id}.git/git-upload-pack HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-git-upload-pack-request\r\ncontent-length: 1000\r\n\r\n`,
    );
    const running = async () => (await gitProcesses()).filter((pid) => !before.has(pid)).length;
    await waitUntil(async () => (await running()) === 1);
    const leaver = connect(Number(new URL(url).port), "127.0.0.1");
    leaver.on("error", () => undefined);
    leaver.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    let answered = "";
    const answer = rawGet(url, path).then((text) => (answered = text));
    await waitUntil(() => received === 3);
    expect((await rawGet(url, `/git/${id}.git/nothing`)).split("\r\n")[0]).toContain("403");
    expect([answered, await running()]).toEqual(["", 1]);
    leaver.destroy();
    holder.destroy();
    expect(await answer).toMatch(/^HTTP\/1.1 200 /);
  });

  test("ends with its git when it times out, even if its runner stays connected", async () => {
    const { url } = await gateway({}, { gitTimeoutMs: 100 });
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    // Git's answer may have begun; it is then reset, never ended.
    const closed = once(socket.on("error", () => undefined).resume(), "close");
    socket.write(
      `POST /git/${id}.git/git-upload-pack HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-git-upload-pack-request\r\ncontent-length: 1000\r\n\r\n0032want`,
    );
    await closed;
    expect(await gitProcesses()).toEqual([]);
  });

  test("is refused when its runner already has several git processes", async () => {
    const { url } = await gateway();
    const { port } = new URL(url);
    const sockets = Array.from({ length: 6 }, () => {
      const socket = connect(Number(port), "127.0.0.1");
      socket.on("error", () => undefined);
      socket.write(
        `POST /git/${id}.git/git-upload-pack HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-git-upload-pack-request\r\ncontent-length: 1000\r\n\r\n`,
      );
      return socket;
    });
    const listing = () => rawGet(url, `/git/${id}.git/info/refs?service=git-upload-pack`);
    await waitUntil(async () => (await listing()).startsWith("HTTP/1.1 429 "));
    for (const socket of sockets) socket.destroy();
    await waitUntil(async () => !(await listing()).startsWith("HTTP/1.1 429 "));
    expect(await listing()).toMatch(/^HTTP\/1.1 200 /);
  });
});

/** Sends the path without a client that normalises URLs. */
function rawGet(url: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    let answer = "";
    socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
    socket.on("end", () => resolve(answer)).on("error", reject);
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  });
}

/** Returns the git processes that this process runs for others. */
function gitProcesses(): Promise<number[]> {
  return new Promise((resolve) => {
    const ps = spawn("ps", ["-eo", "pid,ppid,args"]);
    let text = "";
    ps.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    ps.on("close", () => {
      const own = text
        .split("\n")
        .map((each) => each.trim().split(/\s+/))
        .filter(([, parent, ...args]) => Number(parent) === process.pid && args.includes("http-backend"));
      resolve(own.map(([pid]) => Number(pid)));
    });
  });
}
