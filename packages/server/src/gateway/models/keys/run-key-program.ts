import { spawn } from "node:child_process";
import { getErrorCode } from "../../../std/errors.ts";
import { GroupGuard } from "../../git/group-guard.ts";
import { createKeyError, type KeyCommandConfig, maxKeyBytes } from "./key-source.ts";

const defaultTimeoutMs = 20_000;

const guard = new GroupGuard();

/**
 * Runs a program without a shell and returns its output. The program leads its own process group,
 * which ends with the program, at the timeout, at too much output, and with a killed server. Its
 * stderr is discarded, because it may contain the key.
 */
export function runKeyProgram(
  { program, args, environment, timeoutMs = defaultTimeoutMs }: KeyCommandConfig & { readonly timeoutMs?: number },
  route: string,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: environment,
      cwd: "/",
      stdio: ["ignore", "pipe", "ignore"],
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
    const fail = (reason: string, cause?: unknown) => finish(() => reject(createKeyError(route, reason, cause)));
    const timer = setTimeout(() => fail(`its command did not end within ${timeoutMs / 1000} s`), timeoutMs);
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxKeyBytes) fail(`its command printed more than ${maxKeyBytes / 1024} KB`);
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
