import { spawnSync } from "node:child_process";
import { chmod, mkdir, readdir, readFile, readlink, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer, json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { rawFilesApi, toWharfError, getEndpointUrl } from "@wharf/contract";
import { packHeader, createPadding } from "@wharf/contract/tar";
import { createWireClient, serveHttp, type WireClient } from "@wharf/contract/wire";
import { afterEach, beforeEach, expect, test } from "vitest";
import { muxPair, type MuxPair } from "../../../contract/src/wire/testing.ts";
import { during, startFlipping } from "../files/fixtures/flipper.ts";
import { TestFolder } from "../files/fixtures/folder.ts";
import { createRawFileHandler } from "./files-routes.ts";

let folder: TestFolder;
let wire: MuxPair;
let client: WireClient;
beforeEach(async () => {
  folder = await TestFolder.make();
  const handle = createRawFileHandler({ ...folder.settings, maxArchiveEntries: 50 });
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    request.on("error", () => undefined);
    (handle(request, response) ?? Promise.reject(new Error("no route"))).catch((error: unknown) => {
      if (response.headersSent) return response.destroy();
      const problem = toWharfError(error, "test").toProblem();
      if (!request.complete) response.setHeader("connection", "close");
      response.writeHead(problem.status, { "content-type": "application/problem+json" });
      response.end(JSON.stringify(problem));
    });
  });
  wire = muxPair({}, { onStream: (stream) => serveHttp(stream, server) });
  client = createWireClient(wire.client, { runnerId: "test" });
});
afterEach(async () => {
  wire[Symbol.dispose]();
  await folder[Symbol.asyncDispose]();
});

type Route = keyof typeof rawFilesApi;

async function ask(route: Route, query: Record<string, unknown>, overrides: object = {}) {
  const endpoint = rawFilesApi[route];
  return await client.request({ method: endpoint.method, path: getEndpointUrl(endpoint, { query }), ...overrides });
}

async function answer(route: Route, query: Record<string, unknown>, overrides: object = {}) {
  const { status, headers, body } = await ask(route, query, overrides);
  return { status, headers, bytes: await buffer(body) };
}

async function getProblem(route: Route, query: Record<string, unknown>, overrides: object = {}) {
  const { status, body } = await ask(route, query, overrides);
  return { status, value: await json(body) };
}

test("a file of any size is unchanged after an upload and a download, and keeps its mode", async () => {
  const bytes = Buffer.alloc(20 * 1024 * 1024 + 7, "0123456789abcdef\xff\0", "latin1");
  const uploaded = await getProblem("upload", { path: "a/b.bin", mode: 0o750 }, { body: Readable.from([bytes]) });
  expect(uploaded).toMatchObject({
    status: 200,
    value: { path: "a/b.bin", size_bytes: bytes.length, mode: 0o750, created: true },
  });
  const downloaded = await answer("download", { path: "a/b.bin" });
  expect(downloaded).toMatchObject({
    status: 200,
    headers: { "content-length": String(bytes.length), "accept-ranges": "bytes" },
  });
  expect(downloaded.bytes.equals(bytes)).toBe(true);
});

test("one range of a file is answered according to HTTP", async () => {
  await writeFile(folder.at("f"), "0123456789");
  const requestRange = async (range: string, overrides: object = {}) => {
    const { status, headers, bytes } = await answer("download", { path: "f" }, { headers: { range, ...overrides } });
    return [status, bytes.toString(), headers["content-range"]];
  };
  expect(await requestRange("bytes=2-4")).toEqual([206, "234", "bytes 2-4/10"]);
  expect(await requestRange("bytes=7-")).toEqual([206, "789", "bytes 7-9/10"]);
  expect(await requestRange("bytes=-3")).toEqual([206, "789", "bytes 7-9/10"]);
  expect(await requestRange("bytes=5-99")).toEqual([206, "56789", "bytes 5-9/10"]);
  expect(await requestRange("bytes=10-")).toEqual([416, "", "bytes */10"]);
  for (const range of ["bytes=4-2", "bytes=0-1,3-4", "bytes=-", "lines=1-2"])
    expect(await requestRange(range)).toEqual([200, "0123456789", undefined]);
  const { etag } = (await answer("download", { path: "f" })).headers;
  expect(await requestRange("bytes=0-0", { "if-range": etag })).toEqual([206, "0", "bytes 0-0/10"]);
  await writeFile(folder.at("f"), "abcdefghijk");
  expect(await requestRange("bytes=0-0", { "if-range": etag })).toEqual([200, "abcdefghijk", undefined]);
});

test("a file that is too large is refused in both directions, and a range of it is not", async () => {
  const limit = folder.settings.maxFileBytes;
  await writeFile(folder.at("huge"), "begin");
  await truncate(folder.at("huge"), limit + 1);
  expect(await getProblem("download", { path: "huge" })).toMatchObject({
    status: 413,
    value: { code: "file_too_large" },
  });
  expect((await answer("download", { path: "huge" }, { headers: { range: "bytes=0-4" } })).bytes.toString()).toBe(
    "begin",
  );
  const announced = { headers: { "content-length": limit + 1 }, body: new PassThrough().on("error", () => undefined) };
  announced.body.write("x");
  expect(await getProblem("upload", { path: "new" }, announced)).toMatchObject({ status: 413 });
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1024 * 1024);
    })(),
  ).on("error", () => undefined);
  expect(await getProblem("upload", { path: "new" }, { body: endless })).toMatchObject({ status: 413 });
  expect(await readdir(folder.workspace)).toEqual(["huge"]);
});

test("an interrupted upload changes nothing and leaves no files behind", async () => {
  await writeFile(folder.at("f"), "old");
  const body = new PassThrough();
  const leaving = new AbortController();
  const upload = ask("upload", { path: "f" }, { body, signal: leaving.signal });
  upload.catch(() => undefined);
  body.write(Buffer.alloc(200_000));
  await expect.poll(() => readdir(folder.workspace)).toHaveLength(2);
  leaving.abort(new Error("left"));
  await expect(upload).rejects.toThrow("left");
  await expect.poll(() => readdir(folder.workspace)).toEqual(["f"]);
  expect(await readFile(folder.at("f"), "utf8")).toBe("old");
});

test("a download whose client leaves, or whose file shrinks, is cut and closes the file", async () => {
  await writeFile(folder.at("f"), Buffer.alloc(20 * 1024 * 1024));
  const countDescriptors = async () => (await readdir("/proc/self/fd")).length;
  const before = await countDescriptors();
  const { body } = await ask("download", { path: "f" });
  body.once("readable", () => undefined);
  await sleep(20);
  body.destroy();
  await expect.poll(countDescriptors).toBe(before);
  const shrinking = await ask("download", { path: "f" });
  await truncate(folder.at("f"), 5);
  await expect(buffer(shrinking.body)).rejects.toThrow();
  await expect.poll(countDescriptors).toBe(before);
});

test("errors are sent as problems", async () => {
  await symlink(folder.outside, folder.at("out"));
  const code = async (route: Route, query: object, overrides: object = {}) =>
    (await getProblem(route, { ...query }, overrides)).value as { code: string };
  expect(await code("download", { path: "none" })).toMatchObject({ code: "file_not_found" });
  expect(await code("download", { path: "." })).toMatchObject({ code: "bad_request" });
  expect(await code("download", {})).toMatchObject({ code: "bad_request" });
  expect(await code("upload", { path: "out/x" }, { body: "x" })).toMatchObject({ code: "path_outside" });
  expect(await code("packFolder", { path: "out" })).toMatchObject({ code: "path_outside" });
  expect(await code("packFolder", { path: "none" })).toMatchObject({ code: "file_not_found" });
  expect(await code("unpackFolder", {}, { body: "x".repeat(2_000) })).toMatchObject({ code: "bad_request" });
  expect(await code("upload", { path: "a", overwrite: false }, { body: "1" })).toMatchObject({ created: true });
  expect(await code("upload", { path: "a", overwrite: false }, { body: "2" })).toMatchObject({
    code: "file_already_exists",
  });
});

test("a folder survives a round trip through tar: GNU tar reads it, and Wharf unpacks GNU tar's archive", async () => {
  const long = `${"deep/".repeat(30)}ä${"x".repeat(120)}`;
  await mkdir(folder.at("from", long, ".."), { recursive: true });
  await writeFile(folder.at("from", long), "long");
  await writeFile(folder.at("from/run"), "#!/bin/sh\n");
  await chmod(folder.at("from/run"), 0o755);
  await mkdir(folder.at("from/empty"));
  await writeFile(folder.at("from/zero"), "");
  await symlink("../elsewhere", folder.at("from/link"));
  await writeFile(folder.at("from/.gitignore"), "zero\n");
  const packed = await answer("packFolder", { path: "from" });
  expect(packed.headers["content-type"]).toBe("application/x-tar");
  const target = join(folder.folder, "there");
  await mkdir(target);
  expect(spawnSync("tar", ["-xf", "-"], { cwd: target, input: packed.bytes, encoding: "utf8" }).stderr).toBe("");
  const names = (await readdir(folder.at("from"), { recursive: true })).toSorted();
  expect((await readdir(target, { recursive: true })).toSorted()).toEqual(names);
  const fewer = await answer("packFolder", { path: "from", gitignore: true });
  expect(spawnSync("tar", ["-tf", "-"], { input: fewer.bytes, encoding: "utf8" }).stdout).not.toContain("zero");

  for (const format of ["gnu", "pax", "ustar"]) {
    const arguments_ = ["-cf", "-", `--format=${format}`, "--exclude", format === "ustar" ? "deep" : "none", "."];
    const { stdout: body } = spawnSync("tar", arguments_, { cwd: target, maxBuffer: 1e8 });
    const unpacked = await getProblem("unpackFolder", { path: `to/${format}` }, { body });
    expect(unpacked, format).toMatchObject({ status: 200, value: { links: 1, skipped: 0 } });
    const keptNames = names.filter((name) => format !== "ustar" || !name.startsWith("deep"));
    expect((await readdir(folder.at("to", format), { recursive: true })).toSorted()).toEqual(keptNames);
    expect((await stat(folder.at("to", format, "run"))).mode & 0o777).toBe(0o755);
    expect((await stat(folder.at("to", format, "run"))).mtime).toEqual(
      new Date(Math.floor((await stat(folder.at("from/run"))).mtimeMs / 1000) * 1000),
    );
    expect(await readlink(folder.at("to", format, "link"))).toBe("../elsewhere");
    if (format !== "ustar") expect(await readFile(folder.at("to", format, long), "utf8")).toBe("long");
  }
});

type Entry = { path: string; type?: "file" | "symlink" | "hardlink" | "directory"; target?: string; content?: string };

function createTar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ path, type = "file", target = "", content = "" }) => {
    const bytes = Buffer.from(content);
    return [
      packHeader({ path, type, target, size: bytes.length, mode: 0o4755, mtime: 0 }),
      bytes,
      createPadding(bytes.length),
    ];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

test("no archive entry escapes: through .., an absolute path, existing or archived links, or hard links", async () => {
  await writeFile(join(folder.outside, "secret"), "treasure");
  await symlink(folder.outside, folder.at("there"));
  await mkdir(folder.at("inside"));
  await symlink("inside", folder.at("alias"));
  const attempts: Entry[][] = [
    [{ path: "../outside/x" }],
    [{ path: "/tmp/x" }],
    [{ path: "a/../../outside/x" }],
    [{ path: "there/x" }],
    [{ path: "alias/x" }],
    [{ path: "way", type: "symlink", target: folder.outside }, { path: "way/x" }],
    [
      { path: "w2", type: "symlink", target: "../outside" },
      { path: "w2/sub/", type: "directory" },
    ],
    [{ path: "stolen", type: "hardlink", target: "../outside/secret" }],
    [{ path: "stolen", type: "hardlink", target: "there/secret" }],
    [{ path: `${"d/".repeat(200)}x` }],
  ];
  for (const entries of attempts) {
    const { status, value } = await getProblem("unpackFolder", {}, { body: createTar(entries) });
    expect([400, 403, 404, 409], JSON.stringify([entries, value])).toContain(status);
  }
  expect(await readdir(folder.outside)).toEqual(["secret"]);
  expect(await readdir(folder.at("inside"))).toEqual([]);
  expect(await readdir(folder.workspace)).not.toContain("stolen");
});

test("unpacking replaces names: it does not follow links and drops set-user bits", async () => {
  await writeFile(join(folder.outside, "secret"), "treasure");
  await symlink(join(folder.outside, "secret"), folder.at("f"));
  await writeFile(folder.at("l"), "was a file");
  const body = createTar([
    { path: "f", content: "new" },
    { path: "second", type: "hardlink", target: "f" },
    { path: "l", type: "symlink", target: "f" },
    { path: "./d/e/", type: "directory" },
  ]);
  expect(await getProblem("unpackFolder", {}, { body })).toMatchObject({
    status: 200,
    value: { files: 1, folders: 1, links: 2 },
  });
  expect(await readFile(join(folder.outside, "secret"), "utf8")).toBe("treasure");
  expect(await readFile(folder.at("second"), "utf8")).toBe("new");
  expect((await stat(folder.at("f"))).mode & 0o7777).toBe(0o755);
  expect((await stat(folder.at("f"))).nlink).toBe(1);
  expect(await readlink(folder.at("l"))).toBe("f");
  for (const entries of [
    [{ path: "d", content: "x" }],
    [{ path: "f/x" }],
    [{ path: "f/", type: "directory" as const }],
  ])
    expect(
      (await getProblem("unpackFolder", {}, { body: createTar(entries) })).status,
      entries[0]?.path,
    ).toBeGreaterThanOrEqual(400);
  const many = createTar(Array.from({ length: 51 }, (_, index) => ({ path: `n${index}` })));
  expect(await getProblem("unpackFolder", { path: "many" }, { body: many })).toMatchObject({ status: 413 });
});

test.runIf(process.platform === "linux")(
  "while a folder is flipped to a link, archives neither contain outside files nor write there",
  async () => {
    await writeFile(join(folder.outside, "secret"), "treasure");
    await mkdir(folder.at("t/flip"), { recursive: true });
    await writeFile(folder.at("t/flip/mine"), "mine");
    const seen = { packed: 0, unpacked: 0, refused: 0 };
    {
      await using _ = await startFlipping(folder.at("t/flip"), folder.outside);
      await during(1_500, async () => {
        const { bytes } = await answer("packFolder", { path: "t" });
        expect(bytes.includes("treasure")).toBe(false);
        if (bytes.includes("mine")) seen.packed += 1;
        const { status } = await getProblem(
          "unpackFolder",
          { path: "t" },
          { body: createTar([{ path: "flip/new", content: "x" }]) },
        );
        seen[status === 200 ? "unpacked" : "refused"] += 1;
      });
    }
    expect(await readdir(folder.outside)).toEqual(["secret"]);
    for (const count of Object.values(seen)) expect(count, JSON.stringify(seen)).toBeGreaterThan(0);
  },
);
