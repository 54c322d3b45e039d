import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { waitUntil } from "../../testing.ts";
import { createKeySource, describeKey } from "./index.ts";
import { KeyCommand } from "./key-command.ts";
import { KeyFile } from "./key-file.ts";
import { runKeyProgram } from "./run-key-program.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-keys-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const route = "gemini";
const unreadable = (reason: RegExp) =>
  expect.objectContaining({ code: "model_key_unreadable", message: expect.stringMatching(reason) });
const node = (script: string, ...args: string[]) => ({
  kind: "command" as const,
  program: process.execPath,
  args: ["-e", script, ...args],
  environment: {},
  ttlMs: 60_000,
});
const writeKey = (text: string | Buffer, name = "key") => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

test("a key of the environment is its value, and there is no newer one", async () => {
  const source = createKeySource({ kind: "environment", name: "GEMINI_API_KEY", value: "k-1" }, route);
  expect([await source.get(), await source.renew("k-1")]).toEqual(["k-1", undefined]);
});

test("no description of a key contains it", () => {
  const config = { kind: "environment", name: "GEMINI_API_KEY", value: "real-key" } as const;
  expect(describeKey(config)).toEqual({
    name: "GEMINI_API_KEY",
    advice: "Correct GEMINI_API_KEY in the server's environment and start it again.",
  });
  expect(describeKey({ kind: "file", path: "/run/key" }).name).toBe("the key in /run/key");
  expect(describeKey(node("1", "--secret")).name).toBe(`the key that \`${process.execPath}\` prints`);
});

describe("a key in a file", () => {
  test("is read without the surrounding white space, and again after the file has changed", async () => {
    const path = writeKey(" k-1\n");
    const source = new KeyFile({ path, checkIntervalMs: 0 }, route);
    expect(await source.get()).toBe("k-1");
    writeKey("k-2\r\n");
    expect(await source.get()).toBe("k-2");
    renameSync(writeKey("k-3", "next"), path);
    expect(await source.get()).toBe("k-3");
  });

  test("is checked only now and then, but at once after a model's server refused it", async () => {
    const source = new KeyFile({ path: writeKey("k-1"), checkIntervalMs: 600_000 }, route);
    expect(await source.get()).toBe("k-1");
    writeKey("k-2");
    expect(await source.get()).toBe("k-1");
    expect(await source.renew("k-1")).toBe("k-2");
    expect(await source.get()).toBe("k-2");
    expect(await source.renew("k-2")).toBeUndefined();
  });

  test("that cannot be read says why without a path or the content, and works as soon as it can", async () => {
    const path = join(folder, "key");
    const source = new KeyFile({ path }, route);
    const secret = "real-key-0123456789";
    await expect(source.get()).rejects.toEqual(unreadable(/its file does not exist/));
    for (const [content, reason] of [
      [" \n", /it is empty/],
      [`${secret}\nsecond line`, /not one line/],
      [`${secret}\u0000`, /not one line/],
      [`${secret}ü`, /not one line/],
      [secret.repeat(1_000), /more than 16 KB/],
      [Buffer.alloc(100 * 1024 * 1024, "k"), /more than 16 KB/],
    ] as const) {
      writeKey(content);
      const error: Error = await source.get().catch((thrown) => thrown);
      expect(error).toEqual(unreadable(reason));
      expect(error.message).not.toContain(folder);
      expect(error.message).not.toContain(secret);
    }
    writeKey(secret);
    expect(await source.get()).toBe(secret);
    unlinkSync(path);
    await expect(source.renew(secret)).rejects.toEqual(unreadable(/its file does not exist/));
    await expect(source.get()).rejects.toEqual(unreadable(/its file does not exist/));
  });

  test("that is a folder, a device or a pipe without a writer is refused", async () => {
    const pipe = join(folder, "pipe");
    await runKeyProgram({ ...node(""), program: "/usr/bin/mkfifo", args: [pipe] }, route);
    for (const path of [folder, "/dev/zero", pipe])
      await expect(new KeyFile({ path }, route).get(), path).rejects.toEqual(unreadable(/its path is not a file/));
  });
});

/** A command that counts its runs, and prints the current content of a file. */
class CountedCommand {
  readonly #counter = join(folder, "runs");
  readonly config = node(
    `const fs = require("fs"); fs.appendFileSync(process.argv[1], "x");
     process.stdout.write(fs.readFileSync(process.argv[2]));`,
    this.#counter,
    join(folder, "key"),
  );

  get runs(): number {
    return readFileSync(this.#counter, "utf8").length;
  }
}

describe("a key that a command prints", () => {
  test("is fetched once for all who need it, and again when most of its time is over", async () => {
    writeKey("k-1\n");
    const command = new CountedCommand();
    const source = new KeyCommand({ ...command.config, ttlMs: 1_000, restMs: 0 }, route);
    expect(new Set(await Promise.all(Array.from({ length: 50 }, () => source.get())))).toEqual(new Set(["k-1"]));
    expect(command.runs).toBe(1);
    writeKey("k-2");
    await waitUntil(async () => (await source.get()) === "k-2");
  });

  test("is not used after its time, even if the command fails meanwhile", async () => {
    writeKey("k-1");
    const command = new CountedCommand();
    const source = new KeyCommand({ ...command.config, ttlMs: 300, restMs: 0 }, route);
    expect(await source.get()).toBe("k-1");
    unlinkSync(join(folder, "key"));
    await waitUntil(() =>
      source.get().then(
        () => false,
        () => true,
      ),
    );
    await expect(source.get()).rejects.toEqual(unreadable(/its command ended with code 1/));
    writeKey("k-2");
    expect(await source.get()).toBe("k-2");
  });

  test("is fetched again at once after a model's server refused it, together for all requests", async () => {
    writeKey("k-1");
    const command = new CountedCommand();
    const source = new KeyCommand({ ...command.config, restMs: 0 }, route);
    expect(await source.get()).toBe("k-1");
    writeKey("k-2");
    expect(await Promise.all([source.renew("k-1"), source.renew("k-1"), source.renew("k-1")])).toEqual(
      Array.from({ length: 3 }, () => "k-2"),
    );
    expect(await source.renew("k-1")).toBe("k-2");
    expect(command.runs).toBe(2);
    expect(await source.renew("k-2")).toBeUndefined();
  });

  test("is fetched no more often than now and then, whatever the agent does", async () => {
    const command = new CountedCommand();
    const failing = new KeyCommand({ ...command.config, restMs: 600_000 }, route);
    for (let n = 0; n < 10; n++) await expect(failing.get()).rejects.toEqual(unreadable(/ended with code 1/));
    expect(command.runs).toBe(1);
    writeKey("k-1");
    const source = new KeyCommand({ ...command.config, restMs: 600_000 }, route);
    expect(await source.get()).toBe("k-1");
    for (let n = 0; n < 10; n++) expect(await source.renew("k-1")).toBeUndefined();
    expect(command.runs).toBe(2);
  });

  test("gets only the named environment, no shell, no terminal and no input", async () => {
    const script = `process.stdout.write(JSON.stringify([Object.keys(process.env), process.argv[1], process.stdin.isTTY ?? false]).replaceAll(" ", "_"))`;
    const config = { ...node(script, "$(id);`id`"), environment: { PATH: "/bin", ONLY: "1" } };
    expect(JSON.parse(await new KeyCommand(config, route).get())).toEqual([["PATH", "ONLY"], "$(id);`id`", false]);
  });

  test.each([
    ["prints nothing", "", /it is empty/],
    ["prints several lines", "console.log('a\\nb')", /not one line/],
    ["fails", "console.log('real-key'); console.error('real-key'); process.exit(3)", /its command ended with code 3/],
    [
      "is killed",
      "process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000)",
      /its command ended with SIGTERM/,
    ],
    ["prints 100 MB", "process.stdout.write('k'.repeat(100 * 1024 * 1024))", /printed more than 16 KB/],
    ["prints without an end", "setInterval(() => process.stdout.write('k'.repeat(1024)))", /printed more than 16 KB/],
  ])("and a command that %s is an error without the output", async (_what, script, reason) => {
    const error: Error = await new KeyCommand(node(script), route).get().catch((thrown) => thrown);
    expect(error).toEqual(unreadable(reason));
    expect(error.message).not.toContain("real-key");
  });

  test("and a missing program or one that may not run is an error", async () => {
    const run = (program: string) => new KeyCommand({ ...node(""), program, args: [] }, route).get();
    await expect(run("/nonexistent/program")).rejects.toEqual(unreadable(/the program of its command does not exist/));
    await expect(run(writeKey("#!/bin/sh"))).rejects.toEqual(unreadable(/may not run its command/));
  });

  test("and a command that hangs is ended with its children, also one that left its group", async () => {
    const file = join(folder, "pids");
    const child = `require("fs").appendFileSync(process.argv[1], process.pid + "\\n"); setInterval(() => {}, 1000)`;
    const script = `
      const { spawn } = require("child_process");
      const start = (detached) => spawn(process.execPath, ["-e", ${JSON.stringify(child)}, process.argv[1]], { stdio: "inherit", detached });
      start(false); const left = start(true); left.unref();
      setTimeout(() => process.kill(left.pid, "SIGKILL"), 60000);
      setInterval(() => {}, 1000);`;
    await expect(runKeyProgram({ ...node(script, file), timeoutMs: 2_000 }, route)).rejects.toEqual(
      unreadable(/did not end within 2 s/),
    );
    const pids = readFileSync(file, "utf8").trim().split("\n").map(Number);
    expect(pids).toHaveLength(2);
    await waitUntil(() => pids.filter(isAlive).length === 1);
    for (const pid of pids.filter(isAlive)) process.kill(pid, "SIGKILL");
  });

  test("may be 16 KB of any characters that a header can hold", async () => {
    const key = randomBytes(12 * 1024)
      .toString("base64")
      .slice(0, 16 * 1024);
    expect(await new KeyCommand(node("process.stdout.write(process.argv[1])", key), route).get()).toBe(key);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
