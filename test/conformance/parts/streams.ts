import { randomBytes } from "node:crypto";
import { PassThrough, Readable } from "node:stream";
import { buffer, json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { ArchiveUnpacked, type Endpoint, FileWritten, rawFilesApi, getEndpointUrl } from "@wharf/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";

const megabyte = 1024 * 1024;
const bytes = { "content-type": "application/octet-stream" };

/** Files and folders as streams of bytes. */
export function streams(under: BackendUnderTest): void {
  describe("streams of bytes", () => {
    let harness: ConformanceHarness;
    let runner: Runner;
    beforeAll(async () => {
      harness = await ConformanceHarness.open(under);
      runner = await harness.runner();
    });
    afterAll(() => harness[Symbol.asyncDispose]());

    whole(() => runner);
  });
}

/** Calls a route whose body or answer is raw bytes. */
const ask = (runner: Runner, route: Endpoint, query: object, more: object = {}) =>
  runner.client.request({ method: route.method, path: getEndpointUrl(route, { query: { ...query } }), ...more });

function whole(runner: () => Runner): void {
  const { upload, download, packFolder, unpackFolder } = rawFilesApi;

  test("a file goes in and out unchanged, whole and by ranges; a folder goes as an archive", async () => {
    const content = randomBytes(3 * megabyte + 1);
    const sent = await ask(runner(), upload, { path: "a/f" }, { body: Readable.from([content]), headers: bytes });
    expect(FileWritten.parse(await json(sent.body))).toMatchObject({ size_bytes: content.length, created: true });
    expect((await buffer((await ask(runner(), download, { path: "a/f" })).body)).equals(content)).toBe(true);
    const range = await ask(runner(), download, { path: "a/f" }, { headers: { range: "bytes=5-9" } });
    expect([range.status, await buffer(range.body)]).toEqual([206, content.subarray(5, 10)]);
    await runner().exec("ln -s f a/link; chmod 755 a/f; mkdir a/empty");
    const archive = await buffer((await ask(runner(), packFolder, { path: "a" })).body);
    const unpacked = await ask(
      runner(),
      unpackFolder,
      { path: "b" },
      { body: Readable.from([archive]), headers: bytes },
    );
    expect(ArchiveUnpacked.parse(await json(unpacked.body))).toMatchObject({ files: 1, links: 1 });
    expect((await runner().exec("diff -r a b && test -x b/f && test -d b/empty && readlink b/link")).stdout).toBe(
      "f\n",
    );
  });

  test.each([
    ["download", { path: "big" }],
    ["packFolder", { path: "." }],
  ] as const)("'%s' never looks complete after it is cut, and can be requested again", async (name, query) => {
    await runner().exec(`head -c ${20 * megabyte} /dev/zero > big`);
    const { body } = await ask(runner(), rawFilesApi[name], query);
    for await (const _ of body.iterator({ destroyOnReturn: false })) break;
    await runner().hangUp();
    await expect(buffer(body)).rejects.toThrow();
    const again = await buffer((await ask(runner(), rawFilesApi[name], query)).body);
    expect(again.length).toBeGreaterThanOrEqual(20 * megabyte);
  });

  test("an upload that is cut leaves the file unchanged and no other file behind", async () => {
    await runner().exec("mkdir -p cut; echo old > cut/f");
    const body = new PassThrough();
    const sending = ask(runner(), upload, { path: "cut/f" }, { body, headers: bytes });
    sending.catch(() => undefined);
    body.write(Buffer.alloc(megabyte));
    await sleep(300);
    await runner().hangUp();
    await expect(sending).rejects.toMatchObject({ code: "runner_unavailable" });
    await expect.poll(async () => (await runner().exec("ls -A cut; cat cut/f")).stdout).toBe("f\nold\n");
  });
}
