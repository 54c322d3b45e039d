import { StringDecoder } from "node:string_decoder";
import { type ExecEvent, WharfError } from "@wharf/contract";
import { Channel } from "../channel.ts";
import type { MemoryFiles } from "../memory-files.ts";
import { Killed } from "./killed.ts";
import { type ProgramContext, programs, type ShellState, shellPid } from "./programs.ts";
import { type Command, parseScript, type Step, type Word } from "./words.ts";

export interface ExecInput {
  readonly command: string;
  readonly shell: string;
  readonly working_dir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeout_s: number;
  readonly stdin?: AsyncIterable<Buffer>;
}
type Output = Extract<ExecEvent, { data: string }>;

const pieceLength = 64 * 1024; // bytes of one event

/**
 * A command in the simulated shell: what it prints, and its end last. It ends with its time or its caller, by SIGTERM as a
 * real one does, or by the signal that it was sent.
 */
export function simulate(input: ExecInput, at: { files: MemoryFiles; signal: AbortSignal }): AsyncGenerator<ExecEvent> {
  const cwd = at.files.resolve(input.working_dir);
  if (!at.files.isFolder(cwd)) throw new WharfError("not_found", { what: "folder", id: input.working_dir });
  if (!["bash", "sh", "/bin/sh", "/bin/bash"].includes(input.shell))
    throw new WharfError("bad_request", {
      issues: [{ path: "shell", message: `'${input.shell}' cannot be started (ENOENT)` }],
    });
  const environment = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/home/wharf", ...input.environment };
  return execute(input, { files: at.files, environment, cwd, status: 0 }, at.signal);
}

async function* execute(input: ExecInput, shell: ShellState, caller: AbortSignal): AsyncGenerator<ExecEvent> {
  const late = AbortSignal.timeout(Math.min(input.timeout_s * 1000, 2 ** 31 - 1));
  const left = new AbortController();
  const signal = AbortSignal.any([late, caller, left.signal]);
  const events = new Channel<Output>();
  const streams = { stdout: textTo(events, "stdout"), stderr: textTo(events, "stderr") };
  const running = runScript(input.command, { shell, signal, stdin: input.stdin, ...streams }).finally(async () => {
    await Promise.all([streams.stdout.end(), streams.stderr.end()]);
    events.end();
  });
  running.catch(() => undefined);
  try {
    yield* events;
    await running;
    const why: unknown = caller.reason;
    const cut = signal.aborted ? { code: null, signal: why instanceof Killed ? why.signal : "SIGTERM" } : undefined;
    const { code, signal: name } = shell.ended ?? cut ?? { code: shell.status, signal: null };
    yield { type: "exit", exit_code: code, signal: name, timed_out: late.aborted };
  } finally {
    left.abort();
  }
}

interface Text {
  write(bytes: Buffer): Promise<boolean>;
  end(): Promise<void>;
}

interface Running {
  readonly shell: ShellState;
  readonly signal: AbortSignal;
  readonly stdin: AsyncIterable<Buffer> | undefined;
  readonly stdout: Text;
  readonly stderr: Text;
}

function textTo(events: Channel<Output>, type: Output["type"]): Text {
  const decoder = new StringDecoder("utf8");
  const put = (data: string) => (data === "" ? Promise.resolve(true) : events.put({ type, data }));
  return {
    async write(bytes) {
      for (let from = 0; from < bytes.length; from += pieceLength)
        if (!(await put(decoder.write(bytes.subarray(from, from + pieceLength))))) return false;
      return true;
    },
    end: async () => void (await put(decoder.end())),
  };
}

async function runScript(script: string, running: Running): Promise<void> {
  const { shell, signal } = running;
  let steps: Step[];
  try {
    steps = parseScript(script);
  } catch (error) {
    await running.stderr.write(Buffer.from(`${wordsOf(error)}\n`));
    shell.status = 2;
    return;
  }
  for (const { when, pipeline } of steps) {
    if (shell.ended || signal.aborted) return;
    if (when === "success" && shell.status !== 0) continue;
    if (when === "failure" && shell.status === 0) continue;
    const pipes = pipeline.map(() => new Channel<Buffer>());
    const statuses = await Promise.all(
      pipeline.map((command, i) =>
        runCommand(command, running, { input: pipes[i - 1], output: pipes[i + 1] && pipes[i] }),
      ),
    );
    shell.status = statuses.at(-1) ?? 0;
  }
}

const nothing: AsyncIterable<Buffer> = {
  async *[Symbol.asyncIterator]() {},
};

async function runCommand(
  command: Command,
  { shell, signal, stdin, stdout, stderr }: Running,
  pipes: { input: Channel<Buffer> | undefined; output: Channel<Buffer> | undefined },
): Promise<number> {
  const words = command.words.map((word) => expand(word, shell));
  const file = command.redirects.find((one) => one.kind === "file");
  const source = command.redirects.find((one) => one.kind === "input");
  const kept: Buffer[] = [];
  let keptBytes = 0;
  const plain = (bytes: Buffer) => (pipes.output ? pipes.output.put(bytes) : stdout.write(bytes));
  const out = async (bytes: Buffer): Promise<boolean> => {
    signal.throwIfAborted();
    if (file) {
      shell.files.requireRoom((keptBytes += bytes.length), expand(file.path, shell));
      return kept.push(bytes) > 0;
    }
    return command.redirects.some((one) => one.kind === "to_stderr") ? stderr.write(bytes) : plain(bytes);
  };
  const err = (bytes: Buffer) =>
    command.redirects.some((one) => one.kind === "to_stdout") ? out(bytes) : stderr.write(bytes);
  const [name = ":", ...args] = words;
  try {
    const input = source
      ? reading(shell.files.read(shell.files.resolve(expand(source.path, shell), shell.cwd)).bytes)
      : (pipes.input ?? stdin ?? nothing);
    const status = await start(name, { args, input, out, err, shell, signal });
    if (file) keep(shell, expand(file.path, shell), { pieces: kept, append: file.append });
    return status;
  } catch (error) {
    if (signal.aborted) return 143;
    await err(Buffer.from(`${name}: ${wordsOf(error)}\n`));
    return 1;
  } finally {
    pipes.output?.end();
    // Whoever still writes into it is to hear that nobody reads.
    if (pipes.input) await pipes.input[Symbol.asyncIterator]().return?.();
  }
}

async function start(name: string, context: ProgramContext): Promise<number> {
  const assigned = /^([A-Za-z_]\w*)=(.*)$/s.exec(name);
  if (assigned) {
    context.shell.environment[assigned[1] ?? ""] = assigned[2] ?? "";
    return 0;
  }
  const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
  if (program) return program(context);
  await context.err(Buffer.from(`${name}: not found among the simulated programs\n`));
  return 127;
}

async function* reading(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function keep(shell: ShellState, path: string, { pieces, append }: { pieces: Buffer[]; append: boolean }): void {
  if (path === "/dev/null") return;
  const at = shell.files.resolve(path, shell.cwd);
  const before = append && shell.files.has(at) ? [shell.files.read(at).bytes] : [];
  shell.files.write(at, Buffer.concat([...before, ...pieces]));
}

function expand(word: Word, shell: ShellState): string {
  const valueOf = (name: string) => {
    if (name === "?") return String(shell.status);
    return name === "$" ? String(shellPid) : (shell.environment[name] ?? "");
  };
  return word
    .map(({ text, literal }) =>
      literal
        ? text
        : text.replace(/\$(?:\{(\w+)\}|([A-Za-z_]\w*|[?$]))/g, (_, braced, bare) => valueOf(braced ?? bare)),
    )
    .join("");
}

const wordsOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
