import { spawn } from "node:child_process";
import { getErrorCode } from "../../std/errors.ts";
import { GroupGuard } from "../../std/group-guard.ts";
import { type CommandPlace, maxSecretBytes, SecretError } from "./secret-source.ts";

const defaultTimeoutMs = 30_000;

const guard = new GroupGuard();

interface Program extends Omit<CommandPlace, "kind" | "ttlMs"> {
  readonly input?: string;
  readonly timeoutMs?: number;
}

/**
 * Runs a program without a shell and returns its output. The program leads its own process group,
 * which ends with the program, at the timeout, at too much output, and with a killed server. Its
 * stderr is discarded, because it may contain the secret.
 */
export function runProgram({
  program,
  args,
  environment,
  input = "",
  timeoutMs = defaultTimeoutMs,
}: Program): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: environment,
      cwd: "/",
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    });
    const { pid } = child;
    if (pid !== undefined) guard.add(pid);
    const endGroup = () => {
      if (pid === undefined) return;
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // The whole group has ended.
      }
      guard.remove(pid);
    };
    // The program may end without having read its input.
    child.stdin.on("error", () => undefined).end(input);
    let isOver = false;
    const finish = (settle: () => void) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      endGroup();
      // A process that left the group may keep the pipe open.
      child.stdout.destroy();
      settle();
    };
    const fail = (reason: string, cause?: unknown) => finish(() => reject(new SecretError(reason, { cause })));
    const timer = setTimeout(() => fail(`its command did not end within ${timeoutMs / 1000} s`), timeoutMs);
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxSecretBytes) fail(`its command printed more than ${maxSecretBytes / 1024} KB`);
    });
    child.once("error", (error) => fail(describeStartError(error), error));
    child.once("close", (code, signal) => {
      if (code === 0) finish(() => resolve(Buffer.concat(chunks)));
      else fail(`its command ended with ${signal ?? `code ${code}`}`);
    });
  });
}

function describeStartError(error: Error): string {
  const code = getErrorCode(error);
  if (code === "ENOENT") return "the program of its command does not exist";
  if (code === "EACCES") return "the server's user may not run its command";
  return `its command cannot be started (${code ?? "unknown error"})`;
}
