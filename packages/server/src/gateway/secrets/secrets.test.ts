import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { waitUntil } from "../testing.ts";
import { runProgram } from "./run-program.ts";
import { SecretCommand } from "./secret-command.ts";
import { SecretFile } from "./secret-file.ts";
import { parsePassword, parseToken } from "./secret-source.ts";
import { createSecretSource, Secret } from "./secret.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-secrets-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const unreadable = (reason: RegExp) =>
  expect.objectContaining({ name: "SecretError", message: expect.stringMatching(reason) });
const node = (script: string, ...args: string[]) => ({
  kind: "command" as const,
  program: process.execPath,
  args: ["-e", script, ...args],
  environment: {},
  ttlMs: 60_000,
});
const writeSecret = (text: string | Buffer, name = "key") => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

// K-093
test("a secret of the environment is its value, there is no newer one, and a missing one is named", async () => {
  const source = createSecretSource({ kind: "environment", name: "GEMINI_API_KEY", value: "k-1" });
  expect([await source.get(), await source.renew("k-1")]).toEqual(["k-1", undefined]);
  const missing = createSecretSource({ kind: "environment", name: "MISSING", value: undefined });
  await expect(missing.get()).rejects.toEqual(unreadable(/no variable MISSING/));
});

test("a password may contain what no header may, except for line breaks", () => {
  expect(parsePassword(Buffer.from(" pässword \n"))).toBe(" pässword ");
  for (const [text, reason] of [
    ["\n", "is empty"],
    ["a\nb", "line break"],
    ["a\u0000", "control character"],
    ["p".repeat(16 * 1024 + 1), "more than 16 KB"],
  ] as const)
    expect(() => parsePassword(Buffer.from(text))).toThrow(reason);
});

test("a secret reports each new value once, and recognises the values before it", async () => {
  const path = writeSecret("value-1-0123");
  const reports: string[] = [];
  const secret = new Secret(
    { kind: "file", path },
    {
      name: "token",
      createError: (error) => new Error(`unusable: ${error.message}`),
      onValue: (name, value) => reports.push(`${name} ${value}`),
    },
  );
  expect([await secret.get(), await secret.get()]).toEqual(["value-1-0123", "value-1-0123"]);
  writeSecret("value-2-0123");
  expect(await secret.renew("value-1-0123")).toBe("value-2-0123");
  expect(reports).toEqual(["token value-1-0123", "token value-2-0123"]);
  expect(secret.matcher.redactText("value-1-0123, value-2-0123")).toBe(`${"*".repeat(12)}, ${"*".repeat(12)}`);
  unlinkSync(path);
  expect(await secret.renew("value-2-0123")).toBeUndefined();
  await expect(secret.get()).rejects.toThrow("unusable: its file does not exist");
});

describe("a secret in a file", () => {
  test("is read without the surrounding white space, and again after the file has changed", async () => {
    const path = writeSecret(" k-1\n");
    const source = new SecretFile({ path, checkIntervalMs: 0 }, parseToken);
    expect(await source.get()).toBe("k-1");
    writeSecret("k-2\r\n");
    expect(await source.get()).toBe("k-2");
    renameSync(writeSecret("k-3", "next"), path);
    expect(await source.get()).toBe("k-3");
  });

  test("is checked only now and then, but at once after a host refused it", async () => {
    const source = new SecretFile({ path: writeSecret("k-1"), checkIntervalMs: 600_000 }, parseToken);
    expect(await source.get()).toBe("k-1");
    writeSecret("k-2");
    expect(await source.get()).toBe("k-1");
    expect(await source.renew("k-1")).toBe("k-2");
    expect(await source.get()).toBe("k-2");
    expect(await source.renew("k-2")).toBeUndefined();
  });

  test("that cannot be read says why without a path or the content, and works as soon as it can", async () => {
    const path = join(folder, "key");
    const source = new SecretFile({ path }, parseToken);
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
      writeSecret(content);
      const error: Error = await source.get().catch((thrown) => thrown);
      expect(error).toEqual(unreadable(reason));
      expect(error.message).not.toContain(folder);
      expect(error.message).not.toContain(secret);
    }
    writeSecret(secret);
    expect(await source.get()).toBe(secret);
    unlinkSync(path);
    await expect(source.renew(secret)).rejects.toEqual(unreadable(/its file does not exist/));
    await expect(source.get()).rejects.toEqual(unreadable(/its file does not exist/));
  });

  test("that is a folder, a device or a pipe without a writer is refused", async () => {
    const pipe = join(folder, "pipe");
    await runProgram({ ...node(""), program: "/usr/bin/mkfifo", args: [pipe] });
    for (const path of [folder, "/dev/zero", pipe])
      await expect(new SecretFile({ path }, parseToken).get(), path).rejects.toEqual(
        unreadable(/its path is not a file/),
      );
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

describe("a secret that a command prints", () => {
  test("is fetched once for all who need it, and again when most of its time is over", async () => {
    writeSecret("k-1\n");
    const command = new CountedCommand();
    const source = new SecretCommand({ ...command.config, ttlMs: 1_000, restMs: 0 }, parseToken);
    expect(new Set(await Promise.all(Array.from({ length: 50 }, () => source.get())))).toEqual(new Set(["k-1"]));
    expect(command.runs).toBe(1);
    writeSecret("k-2");
    await waitUntil(async () => (await source.get()) === "k-2");
  });

  test("is not used after its time, even if the command fails meanwhile", async () => {
    writeSecret("k-1");
    const command = new CountedCommand();
    const source = new SecretCommand({ ...command.config, ttlMs: 300, restMs: 0 }, parseToken);
    expect(await source.get()).toBe("k-1");
    unlinkSync(join(folder, "key"));
    await waitUntil(() =>
      source.get().then(
        () => false,
        () => true,
      ),
    );
    await expect(source.get()).rejects.toEqual(unreadable(/its command ended with code 1/));
    writeSecret("k-2");
    expect(await source.get()).toBe("k-2");
  });

  test("is fetched again at once after a host refused it, together for all requests", async () => {
    writeSecret("k-1");
    const command = new CountedCommand();
    const source = new SecretCommand({ ...command.config, restMs: 0 }, parseToken);
    expect(await source.get()).toBe("k-1");
    writeSecret("k-2");
    expect(await Promise.all([source.renew("k-1"), source.renew("k-1"), source.renew("k-1")])).toEqual(
      Array.from({ length: 3 }, () => "k-2"),
    );
    expect(await source.renew("k-1")).toBe("k-2");
    expect(command.runs).toBe(2);
    expect(await source.renew("k-2")).toBeUndefined();
  });

  test("is fetched no more often than now and then, whatever the agent does", async () => {
    const command = new CountedCommand();
    const failing = new SecretCommand({ ...command.config, restMs: 600_000 }, parseToken);
    for (let n = 0; n < 10; n++) await expect(failing.get()).rejects.toEqual(unreadable(/ended with code 1/));
    expect(command.runs).toBe(1);
    writeSecret("k-1");
    const source = new SecretCommand({ ...command.config, restMs: 600_000 }, parseToken);
    expect(await source.get()).toBe("k-1");
    for (let n = 0; n < 10; n++) expect(await source.renew("k-1")).toBeUndefined();
    expect(command.runs).toBe(3);
  });

  test("gets only the named environment, no shell, no terminal and no input", async () => {
    const script = `process.stdout.write(JSON.stringify([Object.keys(process.env), process.argv[1], process.stdin.isTTY ?? false]).replaceAll(" ", "_"))`;
    const config = { ...node(script, "$(id);`id`"), environment: { PATH: "/bin", ONLY: "1" } };
    expect(JSON.parse(await new SecretCommand(config, parseToken).get())).toEqual([
      ["PATH", "ONLY"],
      "$(id);`id`",
      false,
    ]);
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
    const error: Error = await new SecretCommand(node(script), parseToken).get().catch((thrown) => thrown);
    expect(error).toEqual(unreadable(reason));
    expect(error.message).not.toContain("real-key");
  });

  test("may depend on an input, which the program need not read", async () => {
    const read = node("process.stdin.pipe(process.stdout)");
    expect(String(await runProgram({ ...read, input: "host=a" }))).toBe("host=a");
    const ignore = node("process.stdin.destroy(); setTimeout(() => console.log('k-1'), 50)");
    expect(String(await runProgram({ ...ignore, input: "x".repeat(10_000_000) }))).toBe("k-1\n");
  });

  test("and a missing program or one that may not run is an error", async () => {
    const run = (program: string) => new SecretCommand({ ...node(""), program, args: [] }, parseToken).get();
    await expect(run("/nonexistent/program")).rejects.toEqual(unreadable(/the program of its command does not exist/));
    await expect(run(writeSecret("#!/bin/sh"))).rejects.toEqual(unreadable(/may not run its command/));
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
    await expect(runProgram({ ...node(script, file), timeoutMs: 2_000 })).rejects.toEqual(
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
    expect(await new SecretCommand(node("process.stdout.write(process.argv[1])", key), parseToken).get()).toBe(key);
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
