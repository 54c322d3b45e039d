import { WharfError } from "@wharf/contract";
import { toError } from "../../std/errors.ts";
import { findLimitError, getLimits } from "./limits.ts";
import { endProcessGroup, spawnGit } from "./spawn-git.ts";

const defaultTimeoutMs = 120_000;
const maxStderrBytes = 16 * 1024;

export interface GitRunOptions {
  readonly environment: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Git's standard input. */
  readonly input?: string;
  /** Receives each line that git writes to stderr, progress included. */
  readonly onLine?: ((line: string) => void) | undefined;
  /**
   * Receives the output, which the result then lacks. An error thrown here ends the command and
   * becomes its error.
   */
  readonly onOutput?: ((chunk: Buffer) => void) | undefined;
  /** Maximum output; more ends the command and sets `truncated` in the result. */
  readonly maxBytes?: number;
  /** A command that takes longer is ended and fails. @default 120 s */
  readonly timeoutMs?: number;
  /** Memory of each process. @default 4 GB */
  readonly memoryMb?: number;
  /** Creates the error of a command that exceeded its timeout. @default `git_over_limit` */
  readonly createTimeoutError?: () => Error;
}

export interface GitResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly truncated: boolean;
}

/**
 * Runs git to its end, within limits of time, memory and output. Rejects with the signal's reason
 * or the limit's error, and only after the processes have ended.
 */
export function runGit(args: readonly string[], options: GitRunOptions): Promise<GitResult> {
  const { environment, signal, onLine, maxBytes = 64 * 1024 * 1024, timeoutMs = defaultTimeoutMs } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const limits = getLimits(timeoutMs, options.memoryMb);
    const child = spawnGit(args, { environment, limits, input: options.input === undefined ? "ignore" : "pipe" });
    // Git may exit without having read everything; its exit code shows whether that is a failure.
    child.stdin?.on("error", () => undefined).end(options.input);
    const output: Buffer[] = [];
    let size = 0;
    let truncated = false;
    let stderr = "";
    let partial = "";
    let failure: Error | undefined;
    const fail = (reason: Error) => {
      failure ??= reason;
      endProcessGroup(child);
    };
    const onAbort = () => fail(signal?.reason as Error);
    signal?.addEventListener("abort", onAbort, { once: true });
    const createTimeoutError = options.createTimeoutError ?? (() => createSlownessError(args, timeoutMs));
    const timer = setTimeout(() => fail(createTimeoutError()), timeoutMs);
    const cleanUp = () => {
      signal?.removeEventListener("abort", onAbort);
      clearTimeout(timer);
    };

    child.stdout?.on("data", (chunk: Buffer) => {
      if (truncated || failure) return;
      if (options.onOutput) {
        try {
          options.onOutput(chunk);
        } catch (error) {
          fail(toError(error));
        }
        return;
      }
      output.push(chunk.subarray(0, maxBytes - size));
      size += chunk.length;
      if (size <= maxBytes) return;
      truncated = true;
      endProcessGroup(child);
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (partial + text).split(/[\r\n]+/);
      partial = (lines.pop() ?? "").slice(-maxStderrBytes);
      for (const line of lines) {
        if (line.trim() === "") continue;
        onLine?.(line.trim());
        stderr = `${stderr}${line}\n`.slice(-maxStderrBytes);
      }
    });
    child.once("error", (error) => {
      cleanUp();
      reject(error);
    });
    child.once("close", (code, closedBy) => {
      cleanUp();
      if (!truncated)
        failure ??= findLimitError(
          { command: getCommand(args), code, signal: closedBy, stderr: stderr + partial },
          limits,
        );
      if (failure) reject(failure);
      else
        resolve({
          code: code ?? -1,
          stdout: Buffer.concat(output).toString("utf8"),
          stderr: stderr + partial,
          truncated,
        });
    });
  });
}

const getCommand = (args: readonly string[]): string => args.find((arg) => !arg.startsWith("-")) ?? "";

const createSlownessError = (args: readonly string[], timeoutMs: number): WharfError =>
  new WharfError("git_over_limit", { command: getCommand(args), limit: `${timeoutMs / 1000} s` });
