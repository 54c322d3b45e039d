import { spawn } from "node:child_process";
import { BoundedText } from "./bounded-text.ts";

const terminateGraceMs = 2_000;
/**
 * After the command has exited, processes that left the group may continue to write for this long.
 */
const drainMs = 300;

export interface ProcessOptions {
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly maxCharacters?: number;
  readonly onOutput?: (text: string) => void;
}

export interface ProcessResult {
  /** Holds standard output and error in order of arrival, bounded. */
  readonly output: string;
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
}

/** The run's token is for model requests; commands do not need it. */
function createCommandEnvironment(): NodeJS.ProcessEnv {
  const { WHARF_TOKEN: _, NODE_TEST_CONTEXT: __, ...rest } = process.env;
  return { ...rest, GIT_TERMINAL_PROMPT: "0", PAGER: "cat", GIT_PAGER: "cat" };
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group has no processes left.
  }
}

/**
 * Runs a program in a separate process group, without input. When the program ends, is cancelled or
 * times out, the whole group is stopped: no process is left behind.
 */
export function runProcess(command: readonly [string, ...string[]], options: ProcessOptions): Promise<ProcessResult> {
  options.signal.throwIfAborted();
  const [file, ...args] = command;
  const { promise, resolve, reject } = Promise.withResolvers<ProcessResult>();
  const child = spawn(file, args, {
    cwd: options.cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: createCommandEnvironment(),
  });
  const output = new BoundedText(options.maxCharacters);
  let timedOut = false;
  let killTimer: NodeJS.Timeout | undefined;
  let drainTimer: NodeJS.Timeout | undefined;

  const onData = (text: string): void => {
    output.append(text);
    options.onOutput?.(text);
  };
  child.stdout.setEncoding("utf8").on("data", onData);
  child.stderr.setEncoding("utf8").on("data", onData);

  const terminate = (): void => {
    const { pid } = child;
    if (pid === undefined || killTimer) return;
    signalGroup(pid, "SIGTERM");
    killTimer = setTimeout(signalGroup, terminateGraceMs, pid, "SIGKILL");
  };
  const timeout = setTimeout(() => {
    timedOut = true;
    terminate();
  }, options.timeoutMs);
  options.signal.addEventListener("abort", terminate, { once: true });
  const clearTimers = (): void => {
    clearTimeout(timeout);
    clearTimeout(killTimer);
    clearTimeout(drainTimer);
    options.signal.removeEventListener("abort", terminate);
  };

  child.once("error", (error) => {
    clearTimers();
    reject(error);
  });
  child.once("exit", () => {
    if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
    drainTimer = setTimeout(() => {
      child.stdout.destroy();
      child.stderr.destroy();
    }, drainMs);
  });
  child.once("close", (exitCode, signal) => {
    clearTimers();
    resolve({ output: output.toString(), exitCode, signal, timedOut });
  });
  return promise;
}
