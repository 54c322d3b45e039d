import { spawn } from "node:child_process";
import { once } from "node:events";
import { StringDecoder } from "node:string_decoder";
import { defaultGitTimeoutMs, WharfError } from "@wharf/contract";
import { describeMemoryLimit, MemoryWatch } from "../support/memory-watch.ts";

const maxErrorCharacters = 16 * 1024; // characters of git's own words that are kept
const maxOutputBytes = 64 * 1024 * 1024; // bytes of output that are kept where the caller sets no bound

/**
 * Settings that stand above all others. What the agent wrote into its repository's configuration is not read at all: see
 * `view.ts`. The agent runs as the same user in the same sandbox, so this keeps the daemon working, it is no wall.
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
  /** Folder it runs in. */
  cwd: string;
  environment?: Readonly<Record<string, string>>;
  input?: string;
  /** Each character of input and output is one byte. */
  binary?: boolean;
  /** Exit codes that are an answer and not a failure; 0 always is. */
  accept?: readonly number[];
  /** The limit of this one call. */
  timeoutMs?: number;
  /** The configured limit of calls that have none of their own. */
  stepTimeoutMs?: number;
  maxOutputBytes?: number;
  signal?: AbortSignal | undefined;
  /** Told of what git says about its progress, line by line. */
  onProgress?: (line: string) => void;
}

export interface GitResult {
  readonly code: number;
  readonly stdout: string;
  /** The end of what git said beside its output. */
  readonly stderr: string;
  /** The output was longer than the bound; git was stopped there. */
  readonly truncated: boolean;
}

/** git's own words on a failure, so that the caller can tell what they mean. */
export class GitFailure extends WharfError<"git_failed"> {
  readonly stderr: string;
  constructor(command: string, stderr: string) {
    const words = stderr.trim().split("\n").slice(-5).join(" ").slice(0, 1000);
    super("git_failed", { command, reason: words || "it gave no reason" });
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
    env: gitEnvironment(options.environment),
    detached: true,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const memory = new MemoryWatch();
  const closed = once(child, "close");
  const kill = (): void => {
    // git's helpers are in its group and end with it, also those that outlived it.
    if (child.pid !== undefined) tryKill(-child.pid);
    // One that left the group may hold the pipes for ever; nobody waits for that.
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
      stderr = withoutProgress(stderr + text, options.onProgress).slice(-maxErrorCharacters);
    });
    const [code, ended] = await closed;
    if (signal.aborted) throw new GitFailure(name, options.signal?.aborted ? "it was stopped" : describeLate(options));
    const truncated = size > limit;
    if (memory.hasKilled({ exit_code: code, signal: ended }))
      throw new GitFailure(name, `the runner reached ${describeMemoryLimit()}`);
    if (code === null && !truncated) throw new GitFailure(name, `it was ended by ${ended}\n${stderr}`);
    if (code !== 0 && !truncated && !options.accept?.includes(code)) throw new GitFailure(name, stderr);
    // A character cut at the bound is left out.
    const stdout = new StringDecoder(options.binary ? "latin1" : "utf8").write(Buffer.concat(chunks));
    return { code: typeof code === "number" ? code : 0, stdout, stderr, truncated };
  } catch (error) {
    if (error instanceof WharfError) throw error;
    throw new GitFailure(name, error instanceof Error ? error.message : String(error));
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

function describeLate({ timeoutMs, stepTimeoutMs = defaultGitTimeoutMs }: GitOptions): string {
  const words = (ms: number) => `it took longer than ${ms / 1_000} s`;
  if (timeoutMs !== undefined) return words(timeoutMs);
  return `${words(stepTimeoutMs)}, the limit that WHARF_GIT_TIMEOUT sets on the server`;
}

const progressPattern = /[^\r\n]*\d+% \(\d+\/\d+\)[^\r\n]*[\r\n]/g;

/** Lines of progress are handed on and not kept as words of a failure. */
function withoutProgress(text: string, onProgress: ((line: string) => void) | undefined): string {
  return onProgress ? text.replace(progressPattern, (line) => (onProgress(line.trim()), "")) : text;
}

/** What every git of the daemon is started with. */
export function gitEnvironment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
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
    // Stands above the configuration, where `protocol.ext.allow` could turn a fetch into a command.
    GIT_ALLOW_PROTOCOL: "http",
    // A path is a path, whatever characters it begins with.
    GIT_LITERAL_PATHSPECS: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_GRAFT_FILE: "/nonexistent/grafts",
    // The relay is reached directly, whatever the repository's settings name as a proxy.
    no_proxy: "*",
    ...more,
  };
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
