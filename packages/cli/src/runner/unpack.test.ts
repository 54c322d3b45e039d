import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blockBytes, packHeader, createPadding, type TarEntry } from "@wharf/contract/tar";
import { afterEach, beforeEach, expect, test } from "vitest";
import { HeldFolder } from "./held-folder.ts";
import { unpackArchive, type UnpackResult } from "./unpack.ts";

let folder: string;
let into: string;
let outside: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-unpack-"));
  [into, outside] = [join(folder, "into"), join(folder, "outside")];
  for (const each of [into, outside]) mkdirSync(each);
  writeFileSync(join(outside, "victim"), "mine");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Item extends Partial<TarEntry> {
  readonly content?: string;
  /** Sets header fields that no honest packer writes, in octal. */
  readonly raw?: { readonly mode?: string; readonly owner?: string; readonly flag?: string };
}

function pack(items: readonly Item[]): Buffer {
  const blocks = items.flatMap(({ content = "", raw = {}, ...given }) => {
    const type = given.type === "other" ? "file" : (given.type ?? "file");
    const entry = { path: "x", mode: 0o644, mtime: 1_700_000_000, target: "", ...given, type, size: content.length };
    const header = packHeader(entry);
    if (raw.mode) header.write(raw.mode, 100);
    if (raw.owner) header.write(raw.owner, 108);
    if (raw.flag) header.write(raw.flag, 156);
    header.write("        ", 148);
    const sum = header.subarray(0, blockBytes).reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, Buffer.from(content), createPadding(content.length)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
}

async function receive(...items: Item[]): Promise<UnpackResult> {
  await using root = await HeldFolder.open(into);
  return await unpackArchive(
    root,
    (async function* () {
      yield pack(items);
    })(),
  );
}

const untouched = () => expect(readFileSync(join(outside, "victim"), "utf8")).toBe("mine");

test("files, folders and inner links arrive unchanged and replace entries of the same name", async () => {
  writeFileSync(join(into, "a.txt"), "old", { mode: 0o600 });
  symlinkSync("../outside/victim", join(into, "link"));
  const done = await receive(
    { path: "sub", type: "directory", mode: 0o750 },
    { path: "a.txt", content: "new", mode: 0o755 },
    { path: "sub/deep/b.txt", content: "b" },
    { path: "link", content: "a file now" },
    { path: "sub/up", type: "symlink", target: "../a.txt" },
  );
  expect(done).toEqual({ bytes: 14, files: 3, skipped: [] });
  expect(readFileSync(join(into, "sub/up"), "utf8")).toBe("new");
  expect(statSync(join(into, "a.txt")).mode & 0o777).toBe(0o755 & ~process.umask());
  expect(statSync(join(into, "sub")).mode & 0o777).toBe(0o750 & ~process.umask());
  expect(statSync(join(into, "a.txt")).mtimeMs).toBe(1_700_000_000_000);
  expect(readFileSync(join(into, "link"), "utf8")).toBe("a file now");
  untouched();
  expect((await readdir(into)).toSorted()).toEqual(["a.txt", "link", "sub"]);
});

test("nothing is written through a link from the archive, an earlier copy or the caller", async () => {
  await expect(
    receive(
      { path: "in", type: "directory" },
      { path: "way", type: "symlink", target: "in" },
      { path: "way/f", content: "x" },
    ),
  ).rejects.toThrow("does not write through links");
  expect(existsSync(join(into, "in/f"))).toBe(false);

  symlinkSync(outside, join(into, "out"));
  await expect(receive({ path: "out/victim", content: "theirs" })).rejects.toThrow("does not write through links");
  await expect(receive({ path: "out", type: "directory" })).rejects.toThrow("does not write through links");
  untouched();
  await expect(HeldFolder.open(join(into, "out"))).rejects.toThrow();
});

test("links that lead out of the folder, also through other links, are skipped", async () => {
  const targets = ["/etc/passwd", "..", "../outside/victim", "sub/../../outside", "", "dot/../.."];
  const done = await receive(
    { path: "dot", type: "symlink", target: "." },
    ...targets.map((target, n) => ({ path: `link${n}`, type: "symlink" as const, target })),
    { path: "sub/climb", type: "symlink", target: "../../outside" },
    { path: "sub/stay", type: "symlink", target: ".." },
  );
  expect(done.skipped).toEqual([...targets.map((_, n) => `link${n}`), "sub/climb"]);
  expect((await readdir(into)).toSorted()).toEqual(["dot", "sub"]);
  expect(readlinkSync(join(into, "sub/stay"))).toBe("..");
});

test("a path that leads out of the folder aborts the copy", async () => {
  for (const path of ["../outside/victim", "/tmp/x", "a/../../outside/victim"])
    await expect(receive({ path, content: "theirs" })).rejects.toThrow("outside the copied folder");
  untouched();
});

test("devices, pipes and hard links are skipped, and set-user bits and owners are not copied", async () => {
  const done = await receive(
    { path: "null", raw: { flag: "3" } },
    { path: "disk", raw: { flag: "4" } },
    { path: "pipe", raw: { flag: "6" } },
    { path: "hard", type: "hardlink", target: "../outside/victim" },
    { path: "root", content: "#!/bin/sh\n", raw: { mode: "0007777", owner: "0001750" } },
    { path: "shared", type: "directory", raw: { mode: "0007777" } },
  );
  expect(done.skipped).toEqual(["null", "disk", "pipe", "hard"]);
  expect((await readdir(into)).toSorted()).toEqual(["root", "shared"]);
  for (const name of ["root", "shared"]) {
    expect(lstatSync(join(into, name)).mode & 0o7777).toBe(0o777 & ~process.umask());
    expect(lstatSync(join(into, name)).uid).toBe(process.getuid?.());
  }
});

test("a file does not replace a folder, and an incomplete file leaves nothing behind", async () => {
  mkdirSync(join(into, "folder"));
  await expect(receive({ path: "folder", content: "x" })).rejects.toThrow("neither a file nor a link");
  const cut = pack([{ path: "half", content: "x".repeat(2_000) }]).subarray(0, 1_000);
  await using root = await HeldFolder.open(into);
  const pieces = (async function* () {
    yield cut;
  })();
  await expect(unpackArchive(root, pieces)).rejects.toThrow("is incomplete");
  expect(await readdir(into)).toEqual(["folder"]);
});
