import { chmod, mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Bench } from "../fixtures/bench.ts";

const refused = '{"code":-32602,"message":"\'';

test("a missing file reads as empty, and lines are read by number", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await writeFile(join(bench.workspace, "five"), "1\n2\n3\n4\n5");
  const runAndRead = async (prompt: string): Promise<string> => {
    bench.journal.records.length = 0;
    await bench.runTurn(prompt);
    return bench.journal.messageText;
  };
  expect(await runAndRead(`read ${bench.workspace}/missing`)).toBe('{"content":""}');
  expect(await runAndRead(`read ${bench.workspace}/no/such/folder/x`)).toBe('{"content":""}');
  expect(await runAndRead(`read ${bench.workspace}/five`)).toBe('{"content":"1\\n2\\n3\\n4\\n5"}');
  expect(await runAndRead(`read ${bench.workspace}/five 2 2`)).toBe('{"content":"2\\n3\\n"}');
  expect(await runAndRead(`read ${bench.workspace}/five 4`)).toBe('{"content":"4\\n5"}');
  expect(await runAndRead(`read ${bench.workspace}/five 4 9`)).toBe('{"content":"4\\n5"}');
  expect(await runAndRead(`read ${bench.workspace}/five 9`)).toBe('{"content":""}');
  expect(await runAndRead(`read ${bench.workspace}`)).toContain("is not a regular file");
});

test("a file is replaced as a whole, keeps its mode, and missing folders are created", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await writeFile(join(bench.workspace, "script"), "old");
  await chmod(join(bench.workspace, "script"), 0o755);
  await bench.runTurn(`write ${bench.workspace}/script new words`);
  await bench.runTurn(`write ${bench.workspace}/a/b/c deep`);
  expect(await readFile(join(bench.workspace, "script"), "utf8")).toBe("new words");
  expect((await stat(join(bench.workspace, "script"))).mode & 0o777).toBe(0o755);
  expect(await readFile(join(bench.workspace, "a/b/c"), "utf8")).toBe("deep");
  expect((await readdir(bench.workspace)).toSorted()).toEqual(["a", "script"]);
});

test("files outside the workspace (absolute, through .., through links) are refused, and a notice is logged", async () => {
  await using bench = await Bench.open();
  await bench.start();
  const outside = join(bench.folder, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "secret"), "treasure");
  await symlink(outside, join(bench.workspace, "folder-link"));
  await symlink(join(outside, "secret"), join(bench.workspace, "file-link"));
  await symlink(join(outside, "later"), join(bench.workspace, "dangling"));
  await symlink("loop", join(bench.workspace, "loop"));
  const paths = [
    `${outside}/secret`,
    `${bench.workspace}/../outside/secret`,
    "../outside/secret",
    `${bench.workspace}-beside`,
    `${bench.workspace}/folder-link/secret`,
    `${bench.workspace}/folder-link/new/file`,
    `${bench.workspace}/file-link`,
    `${bench.workspace}/dangling`,
    `${bench.workspace}/loop`,
    "/etc/passwd",
  ];
  for (const path of paths) {
    for (const action of ["read", "write"]) {
      bench.journal.records.length = 0;
      await bench.runTurn(`${action} ${path} broken in`);
      expect(bench.journal.messageText, `${action} ${path}`).toContain(refused);
      expect(bench.journal.getEvents("failure"), path).toEqual([
        { kind: "failure", code: "path_outside", message: expect.any(String), next: expect.any(String) },
      ]);
    }
  }
  expect(await readFile(join(outside, "secret"), "utf8")).toBe("treasure");
  expect(await readdir(outside)).toEqual(["secret"]);
});

test("a link that stays in the workspace is followed and not replaced", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await writeFile(join(bench.workspace, "real"), "old");
  await symlink("real", join(bench.workspace, "alias"));
  await bench.runTurn(`write ${bench.workspace}/alias new`);
  expect(await readFile(join(bench.workspace, "real"), "utf8")).toBe("new");
  await bench.runTurn(`write ${bench.workspace}/sub/../plain inside`);
  expect(await readFile(join(bench.workspace, "plain"), "utf8")).toBe("inside");
});

test("a file over 50 MB is not read", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await writeFile(join(bench.workspace, "huge"), "");
  await truncate(join(bench.workspace, "huge"), 50 * 1024 * 1024 + 1);
  await bench.runTurn(`read ${bench.workspace}/huge`);
  expect(bench.journal.messageText).toContain("file_too_large");
});

test("a terminal's command runs in the workspace in its own process group, with bounded output and its exit status", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("terminal pwd >&2; printf 1234567890é; exit 4");
  expect(JSON.parse(bench.journal.messageText)).toEqual({
    exit: { exitCode: 4, signal: null },
    output: { output: "34567890é", truncated: true, exitStatus: { exitCode: 4, signal: null } },
    gone: -32602,
  });
});

test("a terminal's outputs keep the order in which they were written", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("terminal for i in 1 2 3 4; do printf $i; printf x >&2; done");
  expect(JSON.parse(bench.journal.messageText)).toMatchObject({ output: { output: "1x2x3x4x", truncated: false } });
});

test("a terminal reports a missing command and exits with 127", async () => {
  await using bench = await Bench.open();
  await bench.start();
  await bench.runTurn("terminal no-such-program-here");
  expect(JSON.parse(bench.journal.messageText)).toMatchObject({
    exit: { exitCode: 127 },
    output: { output: "not found\n" },
  });
  expect(bench.host.state().status).toBe("ready");
});
