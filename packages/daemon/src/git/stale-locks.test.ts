import { access, open, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Repository, turn, cloneInput } from "./fixtures/repository.ts";
import type { GitService } from "./index.ts";

let repository: Repository;
let git: GitService;
beforeEach(async () => {
  repository = new Repository();
  git = repository.open();
  await git.clone(cloneInput);
});
afterEach(() => repository[Symbol.dispose]());

/** Creates a lock like one left by a git that was killed some seconds ago. */
async function leaveLock(name: string): Promise<string> {
  const path = join(repository.workspace, ".git", name);
  await writeFile(path, "");
  await utimes(path, new Date(), new Date(Date.now() - 5_000));
  return path;
}

test("the locks of a killed git do not prevent a turn's commit", async () => {
  const names = ["index.lock", "HEAD.lock", `refs/heads/${cloneInput.shadow_branch}.lock`, "packed-refs.lock"];
  for (const name of names) {
    await leaveLock(name);
    await repository.write(`${names.indexOf(name)}.txt`, name);
    expect(await git.commit(turn), name).toMatchObject({ files: 1, branch: cloneInput.shadow_branch });
  }
  // All locks exist at once, while the agent has switched to another branch.
  await Promise.all(names.slice(0, 3).map(leaveLock));
  await repository.write(".git/HEAD", "ref: refs/heads/elsewhere\n");
  await repository.write("last.txt", "last");
  expect(await git.commit(turn)).toMatchObject({ branch: cloneInput.shadow_branch });
  expect(repository.runAsAgent("show", "HEAD:last.txt")).toBe("last");
  await leaveLock("config.lock");
  await git.setAuthor({ name: "Bea", email: "bea@example.com" });
  expect(repository.runAsAgent("config", "user.name")).toBe("Bea");
});

test("a lock that a process holds is left alone, and the commit names what is locked", async () => {
  const lock = await leaveLock("HEAD.lock");
  await using _ = await open(lock);
  await repository.write("a.txt", "changed");
  await expect(git.commit(turn)).rejects.toMatchObject({
    message: expect.stringMatching(/another process holds .*HEAD\.lock/),
  });
  await access(lock);
});
