import { spawnSync } from "node:child_process";
import { mkdirSync, rmdirSync } from "node:fs";
import { mkdir, open, readdir, readFile, writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { FileRead, FolderList, TreeList } from "@wharf/contract";
import { createPadding, packHeader } from "@wharf/contract/tar";
import { beforeEach, afterEach, describe, expect, test } from "vitest";
import { deletePath } from "./delete.ts";
import { openDownload } from "./download.ts";
import { TestFolder } from "./fixtures/folder.ts";
import { listFolder } from "./list.ts";
import { packFolder } from "./pack.ts";
import { readFile as readText } from "./read.ts";
import { listTree } from "./tree.ts";
import { unpackFolder } from "./unpack.ts";
import { writeStream } from "./write.ts";

/** Input and workspaces at the limits, some of them made to do harm. */
let folder: TestFolder;
beforeEach(async () => {
  folder = await TestFolder.make();
});
afterEach(() => folder[Symbol.asyncDispose]());

const list = (input: object = {}) => listFolder(folder.workspace, FolderList.parse(input), folder.signal);
const walk = async (input: object = {}) =>
  Array.fromAsync(await listTree(folder.workspace, TreeList.parse(input), folder.signal));
const unpack = (bytes: Buffer) =>
  unpackFolder(folder.settings, ".", { bytes: Readable.from([bytes]), signal: folder.signal });

function toEntry(path: string, content: Buffer): Buffer {
  const header = packHeader({ path, type: "file", size: content.length, mode: 0o644, mtime: 0, target: "" });
  return Buffer.concat([header, content, createPadding(content.length)]);
}

describe("an archive", () => {
  test.each([
    ["compressed, however much it would become", () => gzipSync(Buffer.alloc(50_000_000)), /compressed/],
    ["another format", () => Buffer.from(`PK\u0003\u0004${"x".repeat(2_000)}`), /not valid/],
    ["text", () => Buffer.from("<html>".repeat(1_000)), /not valid/],
    ["empty", () => Buffer.alloc(0), /incomplete/],
  ])("that is %s is refused, and leaves nothing", async (_, create, reason) => {
    const error = await unpack(create()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "bad_request", message: expect.stringMatching(reason) });
    expect(await readdir(folder.workspace)).toEqual([]);
  });

  test("that is cut off leaves whole files and no half of one", async () => {
    const bytes = Buffer.concat([
      toEntry("whole", Buffer.alloc(1_000, "a")),
      toEntry("half", Buffer.alloc(100_000, "b")),
    ]);
    await expect(unpack(bytes.subarray(0, 60_000))).rejects.toMatchObject({ code: "bad_request" });
    expect(await readdir(folder.workspace)).toEqual(["whole"]);
    expect(await readFile(folder.at("whole"), "utf8")).toBe("a".repeat(1_000));
  });

  test("with devices, pipes and sockets is unpacked without them", async () => {
    const blocks = ["3", "4", "6"].map((flag) => {
      const block = packHeader({ path: `special-${flag}`, type: "file", size: 0, mode: 0o666, mtime: 0, target: "" });
      block.write(flag, 156, "latin1");
      block.write("        ", 148, "latin1");
      const sum = block.reduce((total, byte) => total + byte, 0);
      block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      return block;
    });
    const unpacked = await unpack(Buffer.concat([...blocks, toEntry("file", Buffer.from("x")), Buffer.alloc(1_024)]));
    expect(unpacked).toMatchObject({ files: 1, skipped: 3 });
    expect(await readdir(folder.workspace)).toEqual(["file"]);
  });

  test("may have names with line ends, and none that is too long for the file system", async () => {
    const name = 'first\nsecond\u001b[2J\t"quoted"';
    await unpack(Buffer.concat([toEntry(name, Buffer.from("x")), Buffer.alloc(1_024)]));
    expect((await list()).entries).toMatchObject([{ name, type: "file" }]);
    expect(await walk()).toEqual([
      { type: "file", path: name },
      { type: "end", count: 1, truncated: false },
    ]);
    for (const path of ["n".repeat(256), `${"folder/".repeat(120)}${"n".repeat(300)}`])
      await expect(unpack(toEntry(path, Buffer.from("x")))).rejects.toMatchObject({
        code: "bad_request",
        message: expect.stringContaining("name that is too long"),
      });
  });
});

test("names that are not UTF-8 hide nothing else, and are deleted with their folder", async () => {
  await mkdir(folder.at("odd"));
  mkdirSync(Buffer.concat([Buffer.from(`${folder.at("odd")}/`), Buffer.from([0xff, 0xfe])]));
  const inner = Buffer.concat([
    Buffer.from(`${folder.at("odd")}/`),
    Buffer.from([0xff, 0xfe]),
    Buffer.from("/\xe9", "latin1"),
  ]);
  await writeFile(inner, "x");
  await writeFile(Buffer.concat([Buffer.from(`${folder.at("odd")}/`), Buffer.from([0x61, 0xff])]), "x");
  await writeFile(folder.at("odd/plain"), "x");
  expect((await list({ path: "odd" })).entries.map(({ name }) => name)).toContain("plain");
  expect((await walk({ path: "odd" })).map((line) => ("path" in line ? line.path : ""))).toContain("odd/plain");
  const packed = await packFolder(folder.settings, { path: "odd", gitignore: false }, folder.signal);
  expect(Buffer.concat(await Array.fromAsync(packed)).includes("plain")).toBe(true);
  const remove = { path: "odd", recursive: true, missing_ok: false };
  await deletePath(folder.workspace, remove, folder.signal);
  expect(await readdir(folder.workspace)).toEqual([]);
});

test(
  "a folder with 100,000 entries is listed in pages, walked as it is read, and deleted",
  { timeout: 120_000 },
  async () => {
    const count = 100_000;
    await mkdir(folder.at("many"));
    spawnSync("sh", ["-c", `seq 1 ${count} | xargs touch`], { cwd: folder.at("many") });
    const names = new Set<string>();
    let after: string | undefined;
    do {
      const page = await list({ path: "many", limit: 10_000, after });
      expect(page.entries.length).toBeLessThanOrEqual(10_000);
      for (const { name } of page.entries) names.add(name);
      after = page.next;
    } while (after !== undefined);
    expect(names.size).toBe(count);
    expect((await walk({ path: "many" })).at(-1)).toEqual({ type: "end", count, truncated: false });
    expect((await walk({ path: "many", limit: 10 })).at(-1)).toEqual({ type: "end", count: 10, truncated: true });
    const removed = await deletePath(
      folder.workspace,
      { path: "many", recursive: true, missing_ok: false },
      folder.signal,
    );
    expect(removed.deleted).toBe(count + 1);
  },
);

test("ranges of a sparse file of 5 GB are read at any place", async () => {
  const start = 4_500_000_000;
  {
    await using file = await open(folder.at("sparse"), "w");
    await file.truncate(5_000_000_000);
    await file.write("needle", start);
  }
  await using download = await openDownload(folder.settings, {
    path: "sparse",
    range: `bytes=${start}-${start + 5}`,
    ifRange: undefined,
  });
  expect(download).toMatchObject({
    status: 206,
    headers: { "content-range": "bytes 4500000000-4500000005/5000000000" },
  });
  expect(Buffer.concat(await Array.fromAsync(download.bytes())).toString()).toBe("needle");
  const input = FileRead.parse({ path: "sparse", offset: start, length: 6 });
  expect(await readText(folder.settings, input, folder.signal)).toMatchObject({
    content: "needle",
    size_bytes: 5_000_000_000,
    end_of_file: false,
  });
  const whole = { path: "sparse", range: undefined, ifRange: undefined };
  await expect(openDownload(folder.settings, whole)).rejects.toMatchObject({ code: "file_too_large" });
});

const canMount =
  process.getuid?.() === 0 && process.platform === "linux" && spawnSync("unshare", ["--mount", "true"]).status === 0;

test.runIf(canMount)(
  "an upload to a full disk says so, and leaves no part of the file (needs root on Linux)",
  async () => {
    const disk = folder.at("disk");
    mkdirSync(disk);
    expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", disk]).status).toBe(0);
    try {
      await writeFile(`${disk}/kept`, "before");
      const target = { create_parents: true, overwrite: true };
      const upload = (path: string) => {
        const body = Readable.from(Array.from({ length: 64 }, () => Buffer.alloc(65_536)));
        return writeStream(folder.settings, { path, ...target }, body);
      };
      const refused = { code: "disk_full", message: expect.stringContaining("disk") };
      await expect(upload("disk/new")).rejects.toMatchObject(refused);
      await expect(upload("disk/kept")).rejects.toMatchObject(refused);
      const bytes = Buffer.concat([toEntry("disk/a", Buffer.alloc(2_000_000)), Buffer.alloc(1_024)]);
      await expect(unpack(bytes)).rejects.toMatchObject(refused);
      expect(await readdir(disk)).toEqual(["kept"]);
      expect(await readFile(`${disk}/kept`, "utf8")).toBe("before");
    } finally {
      spawnSync("umount", [disk]);
      rmdirSync(disk);
    }
  },
);
