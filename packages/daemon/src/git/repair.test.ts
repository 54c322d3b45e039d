import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Repository, turn, cloneInput } from "./fixtures/repository.ts";
import type { GitService } from "./index.ts";

let repository: Repository;
let daemonGit: GitService;
let notices: string[];
beforeEach(async () => {
  repository = new Repository();
  notices = [];
  daemonGit = repository.open({ notice: async (message) => void notices.push(message) });
  await daemonGit.clone(cloneInput);
});
afterEach(() => repository[Symbol.dispose]());

const getGitPath = (...path: string[]) => join(repository.workspace, ".git", ...path);
const { shadow_branch } = cloneInput;
const readPushedFile = (path: string) => repository.runGit(repository.bare, "show", `${shadow_branch}:${path}`);

const damages: Record<string, () => Promise<unknown>> = {
  "removed .git": () => rm(getGitPath(), { recursive: true }),
  "replaced .git by a file": () => rm(getGitPath(), { recursive: true }).then(() => writeFile(getGitPath(), "gone")),
  "created a separate repository": async () => {
    await rm(getGitPath(), { recursive: true });
    repository.runAsAgent("init", "-q", ".");
  },
  "garbled HEAD": () => writeFile(getGitPath("HEAD"), "garbage\n"),
  "removed HEAD": () => rm(getGitPath("HEAD")),
  "removed the objects": () => rm(getGitPath("objects"), { recursive: true }).then(() => mkdir(getGitPath("objects"))),
  "removed the branches": () => rm(getGitPath("refs"), { recursive: true }).then(() => mkdir(getGitPath("refs"))),
  "garbled the index": () => writeFile(getGitPath("index"), "garbage"),
};

for (const [name, damage] of Object.entries(damages))
  for (const isPushed of [true, false])
    test(`an agent that ${name} keeps its work, with a first turn that was ${isPushed ? "" : "not "}pushed`, async () => {
      await repository.write("first.txt", "first\n");
      const first = await daemonGit.commit(turn);
      if (isPushed) await daemonGit.push({ shadow_branch });
      await damage();
      await repository.write("second.txt", "second\n");
      await rm(join(repository.workspace, "a.txt"));

      const second = await daemonGit.commit(turn);
      expect(second).toMatchObject({ branch: shadow_branch });
      if (isPushed) expect(second?.parent).toBe(first?.sha);
      expect(await daemonGit.push({ shadow_branch })).toEqual({ sha: second?.sha });
      expect(readPushedFile("first.txt")).toBe("first");
      expect(readPushedFile("second.txt")).toBe("second");
      expect(() => readPushedFile("a.txt")).toThrow();
      // The next turn is normal.
      await repository.write("third.txt", "third\n");
      expect(await repository.open().commit(turn)).toMatchObject({ files: 1, parent: second?.sha });
      expect(await daemonGit.getTreeStatus()).toMatchObject({ branch: shadow_branch, clean: true });
    });

test("the replaced repository is kept for a person, and the log says so", async () => {
  await writeFile(getGitPath("mine"), "kept");
  await rm(getGitPath("objects"), { recursive: true });
  await repository.write("b.txt", "b\n");
  await daemonGit.commit(turn);
  expect(notices).toEqual([expect.stringMatching(/repository .* was damaged.* rebuilt/)]);
  expect(await readdir(join(repository.state, "broken-repository"))).toContain("mine");
});

test("if the remote does not respond, nothing changes, and the error says that nothing was committed", async () => {
  await rm(getGitPath("objects"), { recursive: true });
  await repository.write("b.txt", "b\n");
  await rename(repository.bare, `${repository.bare}.away`);
  await expect(daemonGit.commit(turn)).rejects.toMatchObject({ code: "work_not_committed" });
  expect(await readdir(getGitPath())).toContain("HEAD");
  await rename(`${repository.bare}.away`, repository.bare);
  expect(await daemonGit.commit(turn)).toMatchObject({ files: 1 });
});

test("a path that git cannot add is named: in an error if it is the only change, otherwise in a notice", async () => {
  await repository.write("git~1", "no name for git\n");
  await expect(daemonGit.commit(turn)).rejects.toMatchObject({
    code: "work_not_committed",
    message: expect.stringContaining("git~1"),
  });
  // The notice appears once and does not fail later turns.
  expect(await daemonGit.commit(turn)).toBeUndefined();
  await repository.write("more/.git~1", "taken\n");
  await repository.write("more/GIT~1", "no name for git either\n");
  expect(await daemonGit.commit(turn)).toMatchObject({ files: 1 });
  expect(notices).toEqual([expect.stringMatching(/Not everything was committed: git cannot add git~1, more\/GIT~1/)]);
});
