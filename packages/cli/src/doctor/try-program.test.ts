import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tryProgram } from "./try-program.ts";

const node = (script: string) => [process.execPath, ["-e", script]] as const;

test("reports the output of a program and how it failed", async () => {
  expect(await tryProgram(...node("console.log('1.2')"))).toEqual({ ok: true, stdout: "1.2", reason: "" });
  expect(await tryProgram(...node("console.error('a');console.error('no room');process.exit(3)"))).toMatchObject({
    ok: false,
    reason: "no room",
  });
  expect(await tryProgram("/nonexistent/program", [])).toMatchObject({
    ok: false,
    reason: expect.stringContaining("ENOENT"),
  });
  expect(await tryProgram(...node("setInterval(() => {}, 1000)"), { timeoutMs: 200 })).toMatchObject({
    ok: false,
    reason: "no answer within 0.2 s",
  });
});

test.runIf(process.platform === "linux")(
  "keeps the output of a program that ended while this process was busy",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "wharf-attempt-"));
    const file = join(folder, "pid");
    const trying = tryProgram("/bin/sh", ["-c", `echo 1.2; echo $$ > '${file}'`], { timeoutMs: 1 });
    // These loops block the event loop until the program has ended and its timeout is over.
    while (!existsSync(file) || readFileSync(file, "utf8") === "");
    while (!/\) Z /.test(readFileSync(`/proc/${readFileSync(file, "utf8").trim()}/stat`, "utf8")));
    rmSync(folder, { recursive: true });
    expect(await trying).toEqual({ ok: true, stdout: "1.2", reason: "" });
  },
);
