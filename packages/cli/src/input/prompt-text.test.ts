import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHost, runCommandLine } from "../testing.ts";
import { readPromptText } from "./prompt-text.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wharf-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

const hostWith = (stdin: Readable = Readable.from([])) => createHost({ folder, stdin });
const piped = (...pieces: (string | Buffer)[]) => hostWith(Readable.from(pieces.map((piece) => Buffer.from(piece))));

describe("a prompt", () => {
  test("comes unchanged from the argument, stdin or a file", async () => {
    const text = "Fix the parser.\n\n  – it drops “ä” 🙂\n";
    const bytes = Buffer.from(text);
    await writeFile(join(folder, "prompt.md"), text);
    expect(await readPromptText(hostWith(), { text: "do it", file: undefined })).toBe("do it");
    // A character may be split between two pieces.
    const cut = bytes.indexOf(0xe2) + 1;
    const inPieces = piped(bytes.subarray(0, cut), bytes.subarray(cut));
    expect(await readPromptText(inPieces, { text: "-", file: undefined })).toBe(text);
    expect(await readPromptText(piped(text), { text: undefined, file: "-" })).toBe(text);
    expect(await readPromptText(hostWith(), { text: undefined, file: "prompt.md" })).toBe(text);
    expect(await readPromptText(hostWith(), { text: undefined, file: undefined })).toBeUndefined();
  });

  test("is read only up to its maximum length", async () => {
    let given = 0;
    const endless = Readable.from(
      (function* () {
        for (;;) {
          given += 1000;
          yield Buffer.alloc(1000, "x");
        }
      })(),
    );
    const reading = readPromptText(hostWith(endless), { text: "-", file: undefined, max: 5_000 });
    await expect(reading).rejects.toThrow("-: expected at most 5000 characters, got more");
    expect(given).toBeLessThan(100_000);
    const little = readPromptText(piped("x".repeat(5_001)), { text: "-", file: undefined, max: 5_000 });
    await expect(little).rejects.toThrow("at most 5000");
    expect(await readPromptText(piped("🙂".repeat(2_500)), { text: "-", file: undefined, max: 5_000 })).toHaveLength(
      5_000,
    );
  });

  test.each([
    ["bytes that are not UTF-8", Buffer.from([0x66, 0xff, 0x66]), "text in UTF-8"],
    ["a file of a program", Buffer.from("a\0b"), "got a NUL character"],
    ["nothing", Buffer.from(" \n"), "got nothing"],
  ])("is refused if it is %s", async (_, bytes, words) => {
    await writeFile(join(folder, "bad"), bytes);
    await expect(readPromptText(piped(bytes), { text: "-", file: undefined })).rejects.toThrow(words);
    await expect(readPromptText(hostWith(), { text: undefined, file: "bad" })).rejects.toThrow(`--file: expected`);
  });

  test("is refused if it is a folder, given twice or missing", async () => {
    await expect(readPromptText(hostWith(), { text: undefined, file: "." })).rejects.toThrow("got '.' (EISDIR)");
    await expect(readPromptText(hostWith(), { text: "a", file: "b" })).rejects.toThrow("not both");
    const line = ["run", "--repo", "."];
    expect(await runCommandLine(line, { folder })).toMatchObject({
      code: 2,
      err: expect.stringContaining("give a prompt"),
    });
  });

  test("does not come from a terminal", async () => {
    const terminal = hostWith(Object.assign(Readable.from([]), { isTTY: true }));
    await expect(readPromptText(terminal, { text: "-", file: undefined })).rejects.toThrow("got a terminal");
  });
});
