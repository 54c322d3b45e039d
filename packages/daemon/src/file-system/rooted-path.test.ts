import { link, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { during, startFlipping } from "../files/fixtures/flipper.ts";
import { TestFolder } from "../files/fixtures/folder.ts";
import { replaceRootedFile } from "./replace-rooted-file.ts";
import { openEntry, openFolder, openFile, resolveRootedPath } from "./rooted-path.ts";

const fuzzCases = Number(process.env["FUZZ_CASES"] ?? 300);

async function read(root: string, path: string): Promise<string> {
  const { file } = await openFile(root, path);
  await using _ = file;
  return await file.readFile("utf8");
}

async function openDescriptors(): Promise<number> {
  return (await readdir("/proc/self/fd")).length;
}

// S-007
test("links that stay inside the root are followed, relative and absolute, in the middle and at the end", async () => {
  await using folder = await TestFolder.make();
  await mkdir(folder.at("a/b"), { recursive: true });
  await writeFile(folder.at("a/b/file"), "content");
  await symlink("a/b", folder.at("short"));
  await symlink(folder.at("a"), folder.at("absolute"));
  await symlink("../../short/./file", folder.at("a/b/round"));
  await symlink("absolute/b/round", folder.at("chain"));
  for (const path of ["short/file", "absolute/b/file", "a/b/round", "chain", "./a//b/../b/file", folder.at("chain")])
    expect(await read(folder.workspace, path), path).toBe("content");
  expect(await resolveRootedPath(folder.workspace, "absolute/b")).toBe(folder.at("a/b"));
  expect(await resolveRootedPath(folder.workspace, "chain")).toBe(folder.at("a/b/file"));
  expect(await resolveRootedPath(folder.workspace, ".")).toBe(folder.workspace);
});

test("a path that leads out is refused before it is known whether it exists", async () => {
  await using folder = await TestFolder.make();
  await writeFile(join(folder.outside, "secret"), "treasure");
  await symlink("../outside", folder.at("up"));
  await symlink(folder.outside, folder.at("absolute"));
  await symlink("up/secret", folder.at("chain"));
  await symlink("loop", folder.at("loop"));
  await symlink("../workspace/../outside/secret", folder.at("winding"));
  await symlink("/proc/self/root", folder.at("magic"));
  const before = await openDescriptors();
  const paths = [
    "..",
    "../outside/secret",
    "../none",
    "/etc/passwd",
    "/none",
    "up/secret",
    "up/none",
    "absolute/secret",
  ];
  for (const path of [
    ...paths,
    "chain",
    "loop",
    "loop/x",
    "winding",
    "magic/etc/passwd",
    "a\0b",
    `${folder.workspace}x`,
  ]) {
    for (const action of [
      openFile,
      openFolder,
      resolveRootedPath,
      (root: string, path: string) => openEntry(root, `${path}/x/..`),
    ])
      await expect(action(folder.workspace, path), path).rejects.toMatchObject({ code: "path_outside" });
    const wrote = replaceRootedFile({ root: folder.workspace, path }, (file) => file.writeFile("broken in"));
    await expect(wrote, path).rejects.toMatchObject({ code: "path_outside" });
  }
  expect(await readdir(folder.outside)).toEqual(["secret"]);
  expect(await readFile(join(folder.outside, "secret"), "utf8")).toBe("treasure");
  expect(await openDescriptors()).toBe(before);
});

test("a file is replaced as a whole and never through another of its names", async () => {
  await using folder = await TestFolder.make();
  await writeFile(join(folder.outside, "shared"), "theirs");
  await link(join(folder.outside, "shared"), folder.at("name"));
  await replaceRootedFile({ root: folder.workspace, path: "name" }, (file) => file.writeFile("ours"));
  expect(await readFile(folder.at("name"), "utf8")).toBe("ours");
  expect(await readFile(join(folder.outside, "shared"), "utf8")).toBe("theirs");
});

test("a link to a file that does not exist yet is written through, and stays", async () => {
  await using folder = await TestFolder.make();
  await symlink("real/later", folder.at("alias"));
  await replaceRootedFile({ root: folder.workspace, path: "alias" }, (file) => file.writeFile("x"));
  expect(await readlink(folder.at("alias"))).toBe("real/later");
  expect(await readFile(folder.at("real/later"), "utf8")).toBe("x");
});

test("a failed write leaves the old file and no other file beside it", async () => {
  await using folder = await TestFolder.make();
  await writeFile(folder.at("file"), "old");
  const failed = replaceRootedFile({ root: folder.workspace, path: "file" }, async (file) => {
    await file.writeFile("half");
    throw new Error("broken off");
  });
  await expect(failed).rejects.toThrow("broken off");
  expect(await readFile(folder.at("file"), "utf8")).toBe("old");
  expect(await readdir(folder.workspace)).toEqual(["file"]);
});

test("a folder that is moved out while it is open offers no way out", async () => {
  await using folder = await TestFolder.make();
  await mkdir(folder.at("a/b"), { recursive: true });
  await using held = await openFolder(folder.workspace, "a/b");
  await rename(folder.at("a"), join(folder.outside, "a"));
  await mkdir(join(folder.outside, "a/c"));
  await expect(openEntry(held, "../c/x")).rejects.toMatchObject({ code: "path_outside" });
});

test.runIf(process.platform === "linux")(
  "while a process flips a folder to a link and back, no read and no write lands outside",
  async () => {
    await using folder = await TestFolder.make();
    const { workspace, outside } = folder;
    await mkdir(folder.at("flip/deep"), { recursive: true });
    await mkdir(join(outside, "deep"));
    await writeFile(folder.at("flip/deep/file"), "inside");
    await writeFile(join(outside, "deep/file"), "outside");
    const seen = { inside: 0, outside: 0, refused: 0, plain: 0, written: 0 };
    const attempt = async (action: () => Promise<void>): Promise<void> => {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof WharfError)) throw error;
        expect(["path_outside", "file_not_found"]).toContain(error.code);
        seen.refused += 1;
      }
    };
    {
      await using _ = await startFlipping(folder.at("flip"), outside);
      await during(2_000, async (round) => {
        // A plain read of the same path proves that the flipping is visible at all.
        const plain = await readFile(folder.at("flip/deep/file"), "utf8").catch(() => "");
        if (plain === "outside") seen.plain += 1;
        await attempt(async () => {
          const content = await read(workspace, "flip/deep/file");
          seen[content === "inside" ? "inside" : "outside"] += 1;
        });
        await attempt(async () => {
          const path = `flip/deep/new-${round % 7}/file`;
          await replaceRootedFile({ root: workspace, path }, (file) => file.writeFile("x"), { durable: false });
          seen.written += 1;
        });
      });
    }
    expect(seen.outside).toBe(0);
    expect(seen.plain).toBeGreaterThan(0);
    expect(seen.inside).toBeGreaterThan(0);
    expect(seen.refused).toBeGreaterThan(0);
    expect(seen.written).toBeGreaterThan(0);
    expect((await readdir(outside, { recursive: true })).toSorted()).toEqual(["deep", "deep/file"]);
    expect(await readFile(join(outside, "deep/file"), "utf8")).toBe("outside");
  },
);

test("for any path and any links on it, the opened file is inside the root", async () => {
  await using folder = await TestFolder.make();
  await writeFile(join(folder.outside, "file"), "outside");
  await mkdir(folder.at("a/b"), { recursive: true });
  await writeFile(folder.at("a/b/file"), "inside");
  await writeFile(folder.at("file"), "inside");
  const name = fc.constantFrom(
    "a",
    "b",
    "..",
    ".",
    "",
    "file",
    "l1",
    "l2",
    "outside",
    "workspace",
    "\0",
    "é".repeat(200),
  );
  const path = fc
    .tuple(
      fc.constantFrom("", "/", folder.workspace, folder.outside, `${folder.folder}/`),
      fc.array(name, { maxLength: 8 }),
    )
    .map(([begin, names]) => begin + names.join("/"));
  const before = await openDescriptors();
  await fc.assert(
    fc.asyncProperty(path, path, path, async (asked, first, second) => {
      const links = [
        { at: folder.at("l1"), to: first },
        { at: folder.at("a/l2"), to: second },
      ];
      for (const { at, to } of links) {
        await rm(at, { force: true });
        if (to !== "" && !to.includes("\0")) await symlink(to, at).catch(() => undefined);
      }
      try {
        expect(await read(folder.workspace, asked)).toBe("inside");
      } catch (error) {
        expect(error).toBeInstanceOf(WharfError);
      }
    }),
    { numRuns: fuzzCases },
  );
  expect(await openDescriptors()).toBe(before);
}, 3_600_000);
