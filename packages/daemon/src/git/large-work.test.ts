import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manyFilesThreshold } from "./commit-notices.ts";
import { Repository, turn, cloneInput } from "./fixtures/repository.ts";

let repository: Repository;
let notices: string[];
beforeEach(() => {
  repository = new Repository();
  notices = [];
});
afterEach(() => repository[Symbol.dispose]());

const open = (maxFileBytes?: number) =>
  repository.open({ notice: async (message) => void notices.push(message), ...(maxFileBytes && { maxFileBytes }) });

test("a file over the limit is left out and named, and all others are committed", async () => {
  const daemonGit = open(1_000_000);
  await daemonGit.clone(cloneInput);
  await repository.write("größe/big.bin", Buffer.alloc(3_000_000));
  await repository.write("fits.bin", Buffer.alloc(1_000_000));
  expect(await daemonGit.commit(turn)).toMatchObject({ files: 1 });
  expect(repository.runAsAgent("ls-tree", "-r", "--name-only", "HEAD").split("\n")).toEqual(["a.txt", "fits.bin"]);
  expect(notices).toEqual([
    expect.stringMatching(/files over 1 MB are left out: größe\/big\.bin \(3 MB\) .*\.gitignore/),
  ]);
  // The notice is not repeated, and a file that became smaller is committed.
  await repository.write("more.txt", "m\n");
  expect(await daemonGit.commit(turn)).toMatchObject({ files: 1 });
  expect(notices).toHaveLength(1);
  await repository.write("größe/big.bin", "small");
  expect(await daemonGit.commit(turn)).toMatchObject({ files: 1 });
});

test("if a file over the limit is the only change, the error says that nothing was committed", async () => {
  const daemonGit = open(1_000_000);
  await daemonGit.clone(cloneInput);
  await repository.write("big.bin", Buffer.alloc(3_000_000));
  await expect(daemonGit.commit(turn)).rejects.toMatchObject({
    code: "work_not_committed",
    message: expect.stringContaining("big.bin (3 MB)"),
  });
  expect((await daemonGit.compare({})).files).toEqual([]);
});

test("a commit that exceeds its time limit names the limit and its setting", async () => {
  await open().clone(cloneInput);
  await repository.write("b.txt", "b\n");
  const hurried = repository.open({ stepTimeoutMs: 1 });
  await expect(hurried.commit(turn)).rejects.toThrow(
    /took longer than 0\.001 s, the limit that WHARF_GIT_TIMEOUT sets/,
  );
  expect(await open().commit(turn)).toMatchObject({ files: 1 });
});

test("a commit of very many new files is made, with a warning that names their folder", async () => {
  const daemonGit = open();
  await daemonGit.clone(cloneInput);
  const folder = join(repository.workspace, "node_modules/thing");
  await mkdir(folder, { recursive: true });
  const names = Array.from({ length: manyFilesThreshold }, (_, i) => join(folder, `${i}.js`));
  await Promise.all(names.map((name) => writeFile(name, "")));
  await repository.write("b.txt", "b\n");
  expect(await daemonGit.commit(turn)).toMatchObject({ files: manyFilesThreshold + 1 });
  expect(notices).toContainEqual(
    expect.stringContaining(`${manyFilesThreshold + 1} new files, ${manyFilesThreshold} of them in node_modules/`),
  );
});

test("a long push reports that it is still running", async () => {
  const firstNotice = Promise.withResolvers<string>();
  const daemonGit = repository.open({ progressDelayMs: 1, notice: async (message) => firstNotice.resolve(message) });
  await daemonGit.clone(cloneInput);
  const release = join(repository.folder, "release");
  const hook = join(repository.bare, "hooks/pre-receive");
  await writeFile(hook, `#!/bin/sh\nwhile [ ! -e ${release} ]; do sleep 0.05; done\n`);
  await chmod(hook, 0o755);
  const pushing = daemonGit.push({ shadow_branch: cloneInput.shadow_branch });
  expect(await firstNotice.promise).toMatch(/^Still pushing the work to the server \(\d+ s\)/);
  await writeFile(release, "");
  await pushing;
});
