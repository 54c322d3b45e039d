import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { WharfError, type daemonApi, type ExecEvent } from "@wharf/contract";
import type { z } from "zod";
import { resolveBeneath } from "../support/beneath.ts";
import { isSystemError } from "../support/files.ts";
import { CommandOutput } from "./output.ts";

export type ExecInput = z.output<(typeof daemonApi.exec)["body"]>;

const KILL_AFTER = 2_000; // ms between SIGTERM and SIGKILL
const GROUP_POLL = 20; // ms

/**
 * Starts a command in a process group of its own and tells what it prints and how it ends, the end last.
 * Its timeout and the signal end the whole group. Background children of a command that ended by itself stay.
 */
export async function run(
  input: ExecInput,
  options: { workspace: string; home: string; signal: AbortSignal },
): Promise<AsyncIterable<ExecEvent>> {
  const cwd = await resolveBeneath(options.workspace, input.working_dir);
  options.signal.throwIfAborted();
  const env = { ...baseEnvironment(options.home), ...input.environment };
  const child = spawn(input.shell, ["-c", input.command], {
    cwd,
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const output = new CommandOutput();
  output.add("stdout", child.stdout);
  output.add("stderr", child.stderr);
  await started(child, input.shell);

  let timedOut = false;
  let ending: Promise<void> | undefined;
  const end = (): void => void (ending ??= endGroup(child));
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, input.timeout_s * 1000);
  const leave = (): void => {
    end();
    output.close();
  };
  options.signal.addEventListener("abort", leave, { once: true });
  const released = exited.then(async () => {
    clearTimeout(timer);
    await output.closeWhenQuiet();
    options.signal.removeEventListener("abort", leave);
    await ending;
  });

  return (async function* () {
    let complete = false;
    try {
      for (let events = await output.take(); events.length > 0; events = await output.take()) yield* events;
      const { code, signal } = await exited;
      await released;
      complete = true;
      yield { type: "exit" as const, exit_code: code, signal, timed_out: timedOut };
    } finally {
      if (!complete) leave();
    }
  })();
}

async function started(child: ChildProcess, shell: string): Promise<void> {
  try {
    await once(child, "spawn");
  } catch (error) {
    if (!isSystemError(error, "ENOENT", "EACCES", "ENOTDIR", "E2BIG")) throw error;
    throw new WharfError(
      "bad_request",
      { issues: [{ path: "shell", message: `'${shell}' cannot be started (${error.code})` }] },
      { cause: error },
    );
  }
  // A signal that cannot be delivered is told here; the exit tells the rest.
  child.on("error", () => undefined);
}

async function endGroup({ pid }: ChildProcess): Promise<void> {
  if (pid === undefined || !signalGroup(pid, "SIGTERM")) return;
  for (const began = performance.now(); performance.now() - began < KILL_AFTER;) {
    await sleep(GROUP_POLL);
    if (!signalGroup(pid, 0)) return;
  }
  signalGroup(pid, "SIGKILL");
}

/** Whether anyone was left in the group to get it. */
function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-pid, signal);
  } catch {
    return false;
  }
}

function baseEnvironment(home: string): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: home,
    USER: process.env["USER"] ?? "agent",
    LANG: "C.UTF-8",
    TERM: "dumb",
    TMPDIR: process.env["TMPDIR"] ?? "/tmp",
  };
}
