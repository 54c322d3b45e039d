import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";

/** Limits how long a tested program may take. */
const defaultTimeoutMs = 10_000;

export interface AttemptResult {
  readonly ok: boolean;
  readonly stdout: string;
  /** Holds the program's last error line. */
  readonly reason: string;
}

export interface AttemptOptions {
  readonly environment?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/** Runs a program and reports the result; never throws. */
export async function tryProgram(
  program: string,
  args: readonly string[],
  { environment = process.env, timeoutMs = defaultTimeoutMs }: AttemptOptions = {},
): Promise<AttemptResult> {
  const child = spawn(program, args, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let isLate = false;
  // The event loop may have been blocked for longer than the program took, so read pending output
  // before the kill.
  const kill = () => setImmediate(() => (isLate = child.exitCode === null && child.kill("SIGKILL")));
  const timer = setTimeout(kill, timeoutMs);
  try {
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    const ok = child.exitCode === 0;
    const lastLine = stderr.trim().split("\n").at(-1);
    const why = isLate ? `no answer within ${timeoutMs / 1000} s` : lastLine || `it ended with ${getExitReason(child)}`;
    return { ok, stdout: stdout.trim(), reason: ok ? "" : why };
  } catch (error) {
    return { ok: false, stdout: "", reason: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

const getExitReason = ({ exitCode, signalCode }: { exitCode: number | null; signalCode: string | null }): string =>
  signalCode ?? `code ${exitCode}`;
