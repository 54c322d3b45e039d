import { spawn } from "node:child_process";
import { once } from "node:events";
import { StringDecoder } from "node:string_decoder";
import { defaultGitTimeoutMs, WharfError } from "@wharf/contract";
import { describeMemoryLimit, MemoryWatch } from "../std/memory-watch.ts";
import { sendSignal } from "../std/processes.ts";

const maxErrorCharacters = 16 * 1024; // longer error output is cut
const maxOutputBytes = 64 * 1024 * 1024; // the default output limit

/**
 * These settings override all others. git does not read the agent's configuration of its repository
 * at all: see `isolated-config.ts`. The agent runs as the same user in the same sandbox, so this
 * keeps the daemon working but is no security boundary.
 */
const gitSettings: Readonly<Record<string, string>> = {
  "core.hooksPath": "/dev/null",
  "core.fsmonitor": "false",
  "core.sshCommand": "false",
  "core.editor": "true",
  "core.pager": "cat",
  "core.askPass": "",
  "core.untrackedCache": "false",
  "core.quotePath": "false",
  "credential.helper": "",
  "commit.gpgSign": "false",
  "tag.gpgSign": "false",
  "gpg.program": "false",
  "gc.auto": "0",
  "maintenance.auto": "false",
  "submodule.recurse": "false",
  "fetch.recurseSubmodules": "false",
  "push.recurseSubmodules": "no",
  // A submodule's own git would read the submodule's own settings.
  "diff.ignoreSubmodules": "dirty",
  "http.lowSpeedLimit": "1",
  "http.lowSpeedTime": "120", // seconds; longer than the relay holds a request
  "advice.detachedHead": "false",
};

export interface GitOptions {
  /** git runs in this folder. */
  cwd: string;
  environment?: Readonly<Record<string, string>>;
  input?: string;
  /** Each character of input and output is one byte. */
  binary?: boolean;
  /** These exit codes are answers, not failures; 0 always is. */
  accept?: readonly number[];
  /** The timeout applies to this call. */
  timeoutMs?: number;
  /** The configured timeout applies to calls without `timeoutMs`. */
  stepTimeoutMs?: number;
  maxOutputBytes?: number;
  signal?: AbortSignal | undefined;
  /** Called with each line of git's progress output. */
  onProgress?: (line: string) => void;
}

export interface GitResult {
  readonly code: number;
  readonly stdout: string;
  /** The text is the end of git's stderr. */
  readonly stderr: string;
  /** The output exceeded the limit; git was stopped there. */
  readonly truncated: boolean;
}

/** GitFailure carries git's stderr, so that the caller can interpret it. */
export class GitFailure extends WharfError<"git_failed"> {
  readonly stderr: string;
  constructor(command: string, stderr: string) {
    const detail = stderr.trim().split("\n").slice(-5).join(" ").slice(0, 1000);
    super("git_failed", { command, reason: detail || "git gave no reason" });
    this.stderr = stderr;
  }
}

export async function git(args: readonly string[], options: GitOptions): Promise<GitResult> {
  const settings = Object.entries(gitSettings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const timeoutMs = options.timeoutMs ?? options.stepTimeoutMs ?? defaultGitTimeoutMs;
  const signals = [options.signal, AbortSignal.timeout(timeoutMs)].filter((signal) => signal !== undefined);
  const signal = AbortSignal.any(signals);
  const name = args[0] ?? "";
  if (signal.aborted) throw new GitFailure(name, "it was stopped");
  const child = spawn("git", [...settings, ...args], {
    cwd: options.cwd,
    env: getGitEnvironment(options.environment),
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const memory = new MemoryWatch();
  const closed = once(child, "close");
  const kill = (): void => {
    // git's helpers are in its group and end with it, including those that outlived it.
    if (child.pid !== undefined) sendSignal(-child.pid, "SIGKILL");
    // A helper that left the group may hold the pipes open indefinitely, so they are closed without
    // a wait.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  signal.addEventListener("abort", kill, { once: true });
  try {
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "", options.binary ? "latin1" : "utf8");
    const limit = options.maxOutputBytes ?? maxOutputBytes;
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      if (size < limit) chunks.push(chunk.subarray(0, limit - size));
      size += chunk.length;
      if (size > limit) kill();
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr = extractProgress(stderr + text, options.onProgress).slice(-maxErrorCharacters);
    });
    const [code, signalName] = await closed;
    if (signal.aborted)
      throw new GitFailure(name, options.signal?.aborted ? "it was stopped" : describeTimeout(options));
    const truncated = size > limit;
    if (memory.hasKilled({ exit_code: code, signal: signalName }))
      throw new GitFailure(name, `the runner reached ${describeMemoryLimit()}`);
    if (code === null && !truncated) throw new GitFailure(name, `it was ended by ${signalName}\n${stderr}`);
    if (code !== 0 && !truncated && !options.accept?.includes(code)) throw new GitFailure(name, stderr);
    // A character cut at the limit is left out.
    const stdout = new StringDecoder(options.binary ? "latin1" : "utf8").write(Buffer.concat(chunks));
    return { code: typeof code === "number" ? code : 0, stdout, stderr, truncated };
  } catch (error) {
    if (error instanceof WharfError) throw error;
    throw new GitFailure(name, error instanceof Error ? error.message : String(error));
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

function describeTimeout({ timeoutMs, stepTimeoutMs = defaultGitTimeoutMs }: GitOptions): string {
  const formatTimeout = (ms: number) => `it took longer than ${ms / 1_000} s`;
  if (timeoutMs !== undefined) return formatTimeout(timeoutMs);
  return `${formatTimeout(stepTimeoutMs)}, the limit that WHARF_GIT_TIMEOUT sets on the server`;
}

const progressPattern = /[^\r\n]*\d+% \(\d+\/\d+\)[^\r\n]*[\r\n]/g;

/** Passes lines of progress on, and removes them from the text of a failure. */
function extractProgress(text: string, onProgress: ((line: string) => void) | undefined): string {
  return onProgress ? text.replace(progressPattern, (line) => (onProgress(line.trim()), "")) : text;
}

/** Returns the environment for every git of the daemon. */
export function getGitEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "/usr/local/bin:/usr/bin:/bin",
    HOME: "/nonexistent",
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_LFS_SKIP_SMUDGE: "1",
    GIT_ATTR_NOSYSTEM: "1",
    // The variable overrides the configuration, where `protocol.ext.allow` could turn a fetch into
    // a command.
    GIT_ALLOW_PROTOCOL: "http",
    // Paths are literal, even if they begin with a pathspec character.
    GIT_LITERAL_PATHSPECS: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_GRAFT_FILE: "/nonexistent/grafts",
    // The relay is reached directly, regardless of a proxy in the repository's settings.
    no_proxy: "*",
    ...more,
  };
}
