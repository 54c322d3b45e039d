import { spawnSync } from "node:child_process";
import {
  chmod,
  link,
  mkdir,
  readdir,
  readFile as readPlain,
  stat,
  symlink,
  truncate,
  writeFile as writePlain,
} from "node:fs/promises";
import { join } from "node:path";
import { FileRead, FileWrite, FolderList, TextReplace, TreeList } from "@wharf/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { replaceRootedFile } from "../file-system/replace-rooted-file.ts";
import { openFile } from "../file-system/rooted-path.ts";
import { during, startFlipping } from "./fixtures/flipper.ts";
import { TestFolder } from "./fixtures/folder.ts";
import { deletePath, getFileStats, listFolder, listTree, readFile, replaceText, writeFile } from "./index.ts";

const fuzzCases = Number(process.env["FUZZ_CASES"] ?? 300);

const read = (folder: TestFolder, path: string, options: object = {}) =>
  readFile(folder.settings, FileRead.parse({ path, ...options }), folder.signal);
const write = (folder: TestFolder, path: string, content: string, options: object = {}) =>
  writeFile(folder.settings, FileWrite.parse({ path, content, ...options }));
const remove = (folder: TestFolder, path: string, options: object = {}) =>
  deletePath(folder.workspace, { path, recursive: false, missing_ok: false, ...options }, folder.signal);
const replace = (folder: TestFolder, path: string, options: object) =>
  replaceText(folder.settings, TextReplace.parse({ path, ...options }));
const tree = async (folder: TestFolder, options: object = {}) =>
  await Array.fromAsync(await listTree(folder.workspace, TreeList.parse(options), folder.signal));

test("a file is read whole, by lines or by bytes, and the response gives the position of the piece", async () => {
  await using folder = await TestFolder.make();
  await writePlain(folder.at("f"), "eins\nzwei\ndrei\r\nvier");
  expect(await read(folder, "f")).toMatchObject({
    path: "f",
    content: "eins\nzwei\ndrei\r\nvier",
    size_bytes: 20,
    end_of_file: true,
  });
  expect(await read(folder, "f", { start_line: 2, end_line: 3 })).toMatchObject({
    content: "zwei\ndrei\r\n",
    offset: 5,
    start_line: 2,
    end_line: 3,
    total_lines: 4,
    end_of_file: false,
  });
  expect(await read(folder, "f", { start_line: 4 })).toMatchObject({ content: "vier", end_line: 4, end_of_file: true });
  expect(await read(folder, "f", { start_line: 9 })).toMatchObject({
    content: "",
    start_line: 9,
    end_line: 8,
    total_lines: 4,
  });
  expect(await read(folder, "f", { offset: 5, length: 4 })).toMatchObject({
    content: "zwei",
    offset: 5,
    end_of_file: false,
  });
  expect(await read(folder, "f", { offset: 16 })).toMatchObject({ content: "vier", end_of_file: true });
  expect(await read(folder, "f", { offset: 99 })).toMatchObject({ content: "", end_of_file: true });
  expect(FileRead.safeParse({ path: "f", start_line: 1, offset: 0 }).success).toBe(false);
  expect(FileRead.safeParse({ path: "f", start_line: 3, end_line: 2 }).success).toBe(false);
});

test("the lines of any file equal the result of splitting it", async () => {
  await using folder = await TestFolder.make();
  const piece = fc.constantFrom("a", "\n", "\r\n", "é", "xyz".repeat(100_000));
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), fc.nat(8), fc.nat(8), async (pieces, from, more) => {
      const content = pieces.join("");
      await writePlain(folder.at("f"), content);
      const lines = content.match(/[^\n]*\n|[^\n]+$/g) ?? [];
      const answer = await read(folder, "f", { start_line: from + 1, end_line: from + more + 1 });
      expect(answer.content).toBe(lines.slice(from, from + more + 1).join(""));
      expect(answer.total_lines).toBe(lines.length);
      expect((answer.end_line ?? 0) - from).toBe(lines.slice(from, from + more + 1).length);
    }),
    { numRuns: fuzzCases },
  );
}, 3_600_000);

test("binary content is returned as base64, and any bytes survive a round trip", async () => {
  await using folder = await TestFolder.make();
  const bytes = Buffer.from([0xff, 0, 0x80, 0x0a]);
  await write(folder, "b", bytes.toString("base64"), { encoding: "base64" });
  expect(await readPlain(folder.at("b"))).toEqual(bytes);
  expect(await read(folder, "b")).toMatchObject({ encoding: "base64", content: bytes.toString("base64") });
  await expect(read(folder, "b", { encoding: "utf8" })).rejects.toMatchObject({ code: "bad_request" });
  await write(folder, "t", "\uFEFFä😀");
  expect(await read(folder, "t")).toMatchObject({ encoding: "utf8", content: "\uFEFFä😀" });
  for (const content of ["%%%", "QQ", "QQ==\n"])
    await expect(write(folder, "b", content, { encoding: "base64" })).rejects.toMatchObject({ code: "bad_request" });
});

test("50 MB can be read and written, one more byte cannot, and a range of a larger file can be read", async () => {
  await using folder = await TestFolder.make();
  const limit = 50 * 1024 * 1024;
  await writePlain(folder.at("huge"), "first\n");
  await truncate(folder.at("huge"), limit + 1);
  await expect(read(folder, "huge")).rejects.toMatchObject({ code: "file_too_large" });
  expect((await read(folder, "huge", { end_line: 1 })).content).toBe("first\n");
  expect((await read(folder, "huge", { offset: limit, length: 10 })).content).toBe("\0");
  await expect(replace(folder, "huge", { search: "first", replace: "x" })).rejects.toMatchObject({
    code: "file_too_large",
  });
  await truncate(folder.at("huge"), limit);
  expect(await replace(folder, "huge", { search: "first", replace: "erste" })).toMatchObject({ size_bytes: limit });
  await expect(replace(folder, "huge", { search: "erste", replace: "longer" })).rejects.toMatchObject({
    code: "file_too_large",
  });
  const small = { ...folder.settings, maxFileBytes: 4 };
  await expect(writeFile(small, FileWrite.parse({ path: "f", content: "12345" }))).rejects.toMatchObject({
    code: "file_too_large",
  });
  expect(await writeFile(small, FileWrite.parse({ path: "f", content: "1234" }))).toMatchObject({ created: true });
});

test("a write keeps the mode, and creates folders and replaces files only if asked", async () => {
  await using folder = await TestFolder.make();
  await writePlain(folder.at("script"), "old");
  await chmod(folder.at("script"), 0o751);
  expect(await write(folder, "script", "new")).toMatchObject({ created: false, mode: 0o751, size_bytes: 3 });
  expect(await write(folder, "script", "new", { mode: 0o600 })).toMatchObject({ mode: 0o600 });
  expect((await stat(folder.at("script"))).mode & 0o777).toBe(0o600);
  expect(await write(folder, "a/b/c", "deep")).toMatchObject({ path: "a/b/c", created: true });
  await expect(write(folder, "x/y", "", { create_parents: false })).rejects.toMatchObject({ code: "file_not_found" });
  await expect(write(folder, "script", "", { overwrite: false })).rejects.toMatchObject({
    code: "file_already_exists",
  });
  expect(await write(folder, "fresh", "1", { overwrite: false })).toMatchObject({ created: true });
  expect((await readdir(folder.workspace)).toSorted()).toEqual(["a", "fresh", "script"]);
  for (const path of ["", ".", "a", "a/b/"])
    await expect(write(folder, path, "x"), path).rejects.toMatchObject({ code: "bad_request" });
  await expect(write(folder, "script/x", "x")).rejects.toMatchObject({ code: "file_not_found" });
  await expect(write(folder, "n".repeat(300), "x")).rejects.toMatchObject({ code: "bad_request" });
});

test("of several writers that must not overwrite, only one writes", async () => {
  await using folder = await TestFolder.make();
  const tries = Array.from({ length: 8 }, (_, index) => write(folder, "one", String(index), { overwrite: false }));
  const ends = await Promise.allSettled(tries);
  expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  expect(await readdir(folder.workspace)).toEqual(["one"]);
});

test("readers of a file that is rewritten repeatedly see either complete content", async () => {
  await using folder = await TestFolder.make();
  const contents = ["a", "b"].map((letter) => letter.repeat(300_000));
  await write(folder, "f", contents[0] ?? "");
  let writing = true;
  const writer = (async () => {
    for (let round = 0; round < 40; round++) await write(folder, "f", contents[round % 2] ?? "");
    writing = false;
  })();
  while (writing) expect(contents).toContain((await read(folder, "f")).content);
  await writer;
});

test("pipes and devices are neither read nor written, and never block", async () => {
  await using folder = await TestFolder.make();
  spawnSync("mkfifo", [folder.at("pipe")]);
  await expect(read(folder, "pipe")).rejects.toMatchObject({ code: "bad_request" });
  await expect(write(folder, "pipe", "x")).rejects.toMatchObject({ code: "bad_request" });
  expect(await getFileStats(folder.workspace, { path: "pipe", follow: true })).toMatchObject({ type: "other" });
  expect(await remove(folder, "pipe")).toEqual({ path: "pipe", deleted: 1 });
});

test("stats describe the file at a path, or the link itself on request", async () => {
  await using folder = await TestFolder.make();
  await writePlain(folder.at("file"), "12345");
  await symlink("file", folder.at("alias"));
  const stats = (path: string, follow = true) => getFileStats(folder.workspace, { path, follow });
  expect(await stats("alias")).toMatchObject({ path: "alias", type: "file", size_bytes: 5 });
  expect(await stats("alias", false)).toMatchObject({ type: "symlink", link_target: "file" });
  expect(await stats(".")).toMatchObject({ path: ".", type: "directory" });
  expect(await stats(folder.at("file"))).toMatchObject({ path: "file" });
  await expect(stats("none")).rejects.toMatchObject({ code: "file_not_found" });
  await expect(stats("../outside")).rejects.toMatchObject({ code: "path_outside" });
});

test("files, links and empty folders are deleted; a full folder only on request", async () => {
  await using folder = await TestFolder.make();
  await mkdir(folder.at("full/a/b"), { recursive: true });
  await mkdir(folder.at("empty"));
  for (let index = 0; index < 150; index++) await writePlain(folder.at(`full/a/f${index}`), "");
  await writePlain(join(folder.outside, "keep"), "kept");
  await symlink(folder.outside, folder.at("full/link"));
  await symlink(join(folder.outside, "keep"), folder.at("link"));
  await link(join(folder.outside, "keep"), folder.at("full/name"));
  expect(await remove(folder, "link")).toEqual({ path: "link", deleted: 1 });
  expect(await remove(folder, "empty")).toEqual({ path: "empty", deleted: 1 });
  await expect(remove(folder, "full")).rejects.toMatchObject({ code: "folder_not_empty" });
  await expect(remove(folder, "full/link/keep")).rejects.toMatchObject({ code: "path_outside" });
  expect(await remove(folder, "full", { recursive: true })).toEqual({ path: "full", deleted: 155 });
  await expect(remove(folder, "full")).rejects.toMatchObject({ code: "file_not_found" });
  expect(await remove(folder, "full", { missing_ok: true })).toEqual({ path: "full", deleted: 0 });
  for (const path of [".", "", "x/.."])
    await expect(remove(folder, path, { recursive: true })).rejects.toMatchObject({ code: "bad_request" });
  expect(await readPlain(join(folder.outside, "keep"), "utf8")).toBe("kept");
});

test("a folder of any size is listed in pages, in order", async () => {
  await using folder = await TestFolder.make();
  for (let index = 0; index < 250; index++) await writePlain(folder.at(`f${String(index).padStart(3, "0")}`), "");
  await mkdir(folder.at("a"));
  await symlink("a", folder.at("z"));
  const names: string[] = [];
  let after: string | undefined;
  do {
    const page = await listFolder(folder.workspace, FolderList.parse({ limit: 100, after }), folder.signal);
    names.push(...page.entries.map(({ name }) => name));
    after = page.next;
  } while (after !== undefined);
  expect(names).toHaveLength(252);
  expect(names).toEqual(names.toSorted());
  const { entries } = await listFolder(folder.workspace, FolderList.parse({}), folder.signal);
  expect(entries[0]).toMatchObject({ name: "a", type: "directory" });
  expect(entries.at(-1)).toMatchObject({ name: "z", type: "symlink", link_target: "a" });
  await expect(listFolder(folder.workspace, FolderList.parse({ path: "f000" }), folder.signal)).rejects.toMatchObject({
    code: "file_not_found",
  });
});

test("a tree is listed with folders first, without following links, without ignored files on request, up to a limit", async () => {
  await using folder = await TestFolder.make();
  await mkdir(folder.at("src/deep"), { recursive: true });
  await mkdir(folder.at(".git"));
  await mkdir(folder.at("out"));
  for (const path of ["src/deep/x", "src/a", "out/y", ".git/config", "b.log"]) await writePlain(folder.at(path), "");
  await writePlain(folder.at(".gitignore"), "*.log\n/out\n");
  await symlink(folder.outside, folder.at("link"));
  const all = await tree(folder);
  expect(all.filter((line) => line.type !== "end").map(({ path }) => path)).toEqual([
    ".git",
    ".gitignore",
    "b.log",
    "link",
    "out",
    "src",
    ".git/config",
    "out/y",
    "src/a",
    "src/deep",
    "src/deep/x",
  ]);
  expect(all.at(-1)).toEqual({ type: "end", count: 11, truncated: false });
  const listed = await tree(folder, { gitignore: true });
  const paths = [".gitignore", "link", "src", "src/a", "src/deep", "src/deep/x"];
  expect(listed.filter((line) => line.type !== "end").map(({ path }) => path)).toEqual(paths);
  expect((await tree(folder, { limit: 3 })).at(-1)).toEqual({ type: "end", count: 3, truncated: true });
  expect((await tree(folder, { max_depth: 1 })).at(-1)).toEqual({ type: "end", count: 6, truncated: true });
  expect(await tree(folder, { path: "src", gitignore: true })).toHaveLength(4);
  await expect(tree(folder, { path: "none" })).rejects.toMatchObject({ code: "file_not_found" });
});

test("a text is replaced if it occurs once, or everywhere on request, and other bytes stay unchanged", async () => {
  await using folder = await TestFolder.make();
  const bytes = Buffer.concat([Buffer.from([0xff, 0]), Buffer.from("one\r\ntwo one\r\n"), Buffer.from([0xfe])]);
  await writePlain(folder.at("f"), bytes, { mode: 0o755 });
  await expect(replace(folder, "f", { search: "one", replace: "1" })).rejects.toMatchObject({ code: "bad_request" });
  await expect(replace(folder, "f", { search: "three", replace: "1" })).rejects.toMatchObject({
    code: "text_not_found",
  });
  expect(await readPlain(folder.at("f"))).toEqual(bytes);
  expect(await replace(folder, "f", { search: "two ", replace: "$& " })).toMatchObject({ replaced: 1, mode: 0o755 });
  expect(await replace(folder, "f", { search: "one", replace: "", must_match_once: false })).toMatchObject({
    replaced: 2,
  });
  expect(await readPlain(folder.at("f"), "latin1")).toBe("\xff\0\r\n$& \r\n\xfe");
});

test("concurrent replacements do not undo each other", async () => {
  await using folder = await TestFolder.make();
  await write(folder, "f", Array.from({ length: 10 }, (_, index) => `<${index}>`).join(""));
  const tries = Array.from({ length: 10 }, (_, index) =>
    replace(folder, "f", { search: `<${index}>`, replace: `(${index})` }),
  );
  await Promise.all(tries);
  expect((await read(folder, "f")).content).toBe(Array.from({ length: 10 }, (_, index) => `(${index})`).join(""));
});

test("a text is not replaced in a file that changed after it was read", async () => {
  await using folder = await TestFolder.make();
  const { file, stats } = await openAfterWrite(folder);
  await file.close();
  await writePlain(folder.at("f"), "theirs");
  const replacement = replaceRootedFile({ root: folder.workspace, path: "f" }, (file) => file.writeFile("ours"), {
    unchanged: stats,
  });
  await expect(replacement).rejects.toMatchObject({ code: "file_changed" });
  expect(await readdir(folder.workspace)).toEqual(["f"]);
  expect(await readPlain(folder.at("f"), "utf8")).toBe("theirs");
});

async function openAfterWrite(folder: TestFolder) {
  await write(folder, "f", "first!");
  return await openFile(folder.workspace, "f");
}

test.runIf(process.platform === "linux")(
  "while a folder is flipped to a link, nothing outside is deleted, listed or changed",
  async () => {
    await using folder = await TestFolder.make();
    await mkdir(join(folder.outside, "d"));
    await writePlain(join(folder.outside, "d/precious"), "x");
    await mkdir(folder.at("flip/d"), { recursive: true });
    let deleted = 0;
    let refused = 0;
    {
      await using _ = await startFlipping(folder.at("flip"), folder.outside);
      await during(1_500, async (round) => {
        const steps = [
          () => write(folder, `flip/d/mine-${round % 3}`, "x"),
          async () => expect(JSON.stringify(await tree(folder))).not.toContain("precious"),
          async () => (deleted += (await remove(folder, "flip/d", { recursive: true })).deleted),
        ];
        for (const step of steps)
          await step().catch((error: unknown) => {
            expect(error).toHaveProperty("code");
            expect(["path_outside", "file_not_found", "bad_request"]).toContain((error as { code: string }).code);
            refused += 1;
          });
      });
    }
    expect(await readdir(folder.outside, { recursive: true })).toEqual(["d", "d/precious"]);
    expect(deleted).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  },
);

const mayMount = spawnSync("unshare", ["-rm", "true"]).status === 0;
test.runIf(mayMount)("a full disk is reported, and the old file is unchanged", async () => {
  await using folder = await TestFolder.make();
  const script = `
    import { writeFileSync, readFileSync, readdirSync } from "node:fs";
    import { writeFile } from ${JSON.stringify(import.meta.resolve("./index.ts"))};
    const workspace = ${JSON.stringify(folder.workspace)};
    writeFileSync(workspace + "/f", "old");
    const settings = { workspace, maxFileBytes: 5e7, maxArchiveBytes: 1, maxArchiveEntries: 1 };
    const input = { path: "f", content: "x".repeat(3e6), encoding: "utf8", create_parents: true, overwrite: true };
    const code = await writeFile(settings, input).then(() => "written", (error) => error.code);
    console.log(JSON.stringify({ code, content: readFileSync(workspace + "/f", "utf8"), names: readdirSync(workspace) }));`;
  await writePlain(join(folder.folder, "script.ts"), script);
  const mount = `mount -t tmpfs -o size=1m none ${folder.workspace} && exec ${process.execPath} ${folder.folder}/script.ts`;
  const { stdout, stderr } = spawnSync("unshare", ["-rm", "sh", "-c", mount], { encoding: "utf8" });
  expect(stdout, stderr).toBe('{"code":"disk_full","content":"old","names":["f"]}\n');
});
