import { execFile, execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { commit, git, gitError, listeningGateway, Scratch, type Seen } from "../testing.ts";
import { commitEndlessTree } from "./fixtures/endless-tree.ts";
import { getFolderSize } from "./folder-size.ts";
import type { Mirrors } from "./index.ts";
import type { PushLimits } from "./inspect-push.ts";
import { prepareHooks } from "./push-gate.ts";
import { TreeReader } from "./tree-reader.ts";

let scratch: Scratch;
beforeEach(async () => {
  scratch = await Scratch.make();
});
afterEach(() => scratch[Symbol.asyncDispose]());

const branch = "shadow/task-1";

interface Pushing {
  readonly mirrors: Mirrors;
  readonly id: string;
  /** A clone inside a runner. */
  readonly work: string;
  readonly seen: Seen;
}

async function startPushing(pushLimits: Partial<PushLimits> = {}): Promise<Pushing> {
  const mirrors = scratch.openMirrors({ maxRepositoryMb: 10, pushLimits });
  const { repository_id: id } = await mirrors.ensure(await scratch.repository("source"));
  const { url, seen } = await listeningGateway(scratch, {
    mirrors,
    context: { repository_id: id, shadow_branch: branch },
  });
  await git(scratch.path, "clone", "--quiet", `${url}/git/${id}.git`, "work");
  return { mirrors, id, work: join(scratch.path, "work"), seen };
}

/**
 * Pushes a commit and expects the reason at the pusher and in the task's log, and no change in the
 * mirror.
 */
async function expectRefusal({ mirrors, id, work, seen }: Pushing, sha: string, reason: string): Promise<void> {
  const before = await mirrors.head(id, branch);
  const size = await getFolderSize(join(mirrors.path(id), "objects"));
  const said = await gitError(work, "push", "--force", "origin", `${sha}:refs/heads/${branch}`);
  expect(said).toContain(`remote: wharf: ${reason}`);
  expect(said).toContain("[remote rejected]");
  expect(seen.denied.at(-1)?.reason).toContain(`push of refs/heads/${branch}: ${reason}`);
  expect(await mirrors.head(id, branch)).toBe(before);
  expect(await getFolderSize(join(mirrors.path(id), "objects"))).toBe(size);
}

const accept = ({ work }: Pushing, sha: string) =>
  git(work, "push", "--quiet", "--force", "origin", `${sha}:refs/heads/${branch}`);

describe("a push is refused", () => {
  test("that unpacks to more than the limit of a repository, however small it is", async () => {
    const pushing = await startPushing();
    const sha = await commit(pushing.work, { "zeros.bin": "\0".repeat(11 * 1024 * 1024) });
    await expectRefusal(pushing, sha, "the push unpacks to more than 10 MB; push less, or raise MAX_REPO_SIZE_MB");
  });

  test("whose objects are small changes to one large object, once their total is too large", async () => {
    const pushing = await startPushing({ maxUnpackedMb: 2 });
    const large = randomBytes(300_000).toString("hex");
    await accept(pushing, await commit(pushing.work, { "large.bin": large }));
    let sha = "";
    for (let n = 0; n < 4; n++) sha = await commit(pushing.work, { "large.bin": `${large}${n}` });
    await expectRefusal(pushing, sha, "the push unpacks to more than 2 MB");
  });

  test("with endless trees, even if most of them came with an earlier push", async () => {
    const pushing = await startPushing();
    const { work } = pushing;
    await expectRefusal(pushing, await commitEndlessTree(work, 10), "a commit in the push has more than 5000000 files");
    await accept(pushing, await commitEndlessTree(work, 6));
    await expectRefusal(pushing, await commitEndlessTree(work, 7), "a commit in the push has more than 5000000 files");
  });

  test("with such a commit behind its newest one", async () => {
    const pushing = await startPushing();
    const { work } = pushing;
    const endless = await commitEndlessTree(work, 7);
    const newest = await git(work, "commit-tree", "-m", "harmless", "-p", endless, "main^{tree}");
    await expectRefusal(pushing, newest, "a commit in the push has more than 5000000 files");
  });

  test("with folders that are too deep", async () => {
    const pushing = await startPushing({ maxDepth: 20 });
    const { work } = pushing;
    const blob = await git(work, "rev-parse", "main:README.md");
    await git(work, "update-index", "--add", "--cacheinfo", `100644,${blob},${"f/".repeat(22)}x`);
    const tree = await git(work, "write-tree");
    // Short cuts from the root to each folder do not shorten the longest path.
    const folders = (await git(work, "ls-tree", "-r", "-d", tree)).split("\n").map((line) => line.split(/\s/)[2]);
    const input = folders.map((id, n) => `040000 tree ${id}\t${n}\n`).join("");
    const wide = execFileSync("git", ["mktree"], { cwd: work, encoding: "utf8", input }).trim();
    const reason = "a commit in the push has folders more than 20 deep";
    for (const each of [tree, wide])
      await expectRefusal(pushing, await git(work, "commit-tree", "-m", "deep", "-p", "main", each), reason);
  });

  test("with too many objects", async () => {
    const pushing = await startPushing({ maxObjects: 5 });
    await accept(pushing, await commit(pushing.work, { a: "a", b: "b", c: "c" }));
    const sha = await commit(pushing.work, { "1": "1", "2": "2", "3": "3", "4": "4" });
    await expectRefusal(pushing, sha, "the push has more than 5 objects");
  });

  test("that would make its mirror too large, including all pending objects", async () => {
    const pushing = await startPushing({ maxTotalMb: 2 });
    const sha = await commit(pushing.work, { "big.bin": randomBytes(2_500_000).toString("latin1") });
    await expectRefusal(pushing, sha, "the server's mirror of this repository would exceed 2 MB");
  });

  test("if the hook that checks it cannot be executed", async () => {
    const pushing = await startPushing();
    const hooks = await pushing.mirrors.prepareHooks();
    const sha = await commit(pushing.work, { a: "a" });
    await chmod(join(hooks, "pre-receive"), 0o600);
    await expect(pushing.mirrors.prepareHooks()).rejects.toThrow("cannot be executed");
    expect(await gitError(pushing.work, "push", "origin", `${sha}:refs/heads/${branch}`)).toContain("500");
    expect(await pushing.mirrors.head(pushing.id, branch)).toBeUndefined();
    await writeFile(join(hooks, "pre-receive"), "exit 0\n");
    await accept(pushing, sha);
  });
});

test("the hook refuses without an answer from the server", async () => {
  const hooks = await prepareHooks(join(scratch.path, "hooks"));
  expect(await readdir(hooks)).toEqual(["pre-receive"]);
  const run = promisify(execFile)(join(hooks, "pre-receive"), { env: { GIT_QUARANTINE_PATH: "/tmp" } });
  await expect(run).rejects.toMatchObject({ code: 1 });
});

test("the remains of a killed push are removed when its mirror needs the space", async () => {
  const mirrors = scratch.openMirrors({ maxRepositoryMb: 10, maxMirrorMb: 1 });
  const { repository_id: id } = await mirrors.ensure(await scratch.repository("source"));
  const left = join(mirrors.path(id), "objects", "tmp_objdir-incoming-abcdef");
  await mkdir(join(left, "pack"), { recursive: true });
  await writeFile(join(left, "pack", "tmp_pack_abcdef"), Buffer.alloc(2_000_000));
  expect(await mirrors.findPushObstacle(id)).toBeUndefined();
  expect(await readdir(join(mirrors.path(id), "objects"))).not.toContain("tmp_objdir-incoming-abcdef");
});

test("trees are read from chunks of any size, and a tree that is too large is an error", () => {
  const ids = ["1", "2"].map((digit) => digit.repeat(40));
  const entry = (mode: string, name: string, id: string) =>
    Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]);
  const content = Buffer.concat([
    entry("40000", "a", ids[0]!),
    entry("40000", "b", ids[0]!),
    entry("100644", "c", ids[1]!),
    entry("160000", "d", ids[1]!),
  ]);
  const output = Buffer.concat([
    Buffer.from(`${ids[1]} missing\n${ids[0]} tree ${content.length}\n`),
    content,
    Buffer.from(`\n${ids[1]} tree 0\n\n`),
  ]);
  for (const size of [1, 7, 64, output.length]) {
    const reader = new TreeReader();
    for (let offset = 0; offset < output.length; offset += size)
      reader.addChunk(output.subarray(offset, offset + size));
    expect([...reader.trees]).toEqual([
      [ids[0], { files: 2, folders: new Map([[ids[0], 2]]) }],
      [ids[1], { files: 0, folders: new Map() }],
    ]);
  }
  expect(() => new TreeReader().addChunk(Buffer.from(`${ids[0]} tree 40000000\n`))).toThrow();
});

test("a quarantine that cannot be read is not accepted", async () => {
  const { mirrors, id } = await startPushing();
  const quarantine = join(mirrors.path(id), "objects", "incoming-broken");
  await mkdir(join(quarantine, "aa"), { recursive: true });
  await writeFile(join(quarantine, "aa", "a".repeat(38)), "no object");
  await expect(mirrors.inspectPush(id, quarantine, new AbortController().signal)).rejects.toThrow();
});
