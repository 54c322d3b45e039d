import { randomUUID } from "node:crypto";
import { type CommandInfo, execApi, type ExecEvent, type ExecRequest, WharfError } from "@wharf/contract";
import { Bell } from "../bell.ts";
import { MockInput } from "../exec/input.ts";
import { Killed } from "../exec/killed.ts";
import { simulate } from "../exec/shell.ts";
import type { MemoryFiles } from "../memory-files.ts";
import { type Route, route } from "../serve-routes.ts";

type Output = { type: "stdout" | "stderr"; data: string; offset: number; next: number; timestamp: string };
type Exit = Extract<ExecEvent, { type: "exit" }>;

interface Running {
  readonly about: Omit<CommandInfo, "state" | "output" | "stdin">;
  readonly input: MockInput;
  readonly ending: AbortController;
}
interface Background extends Running {
  readonly output: Output[];
  readonly changed: Bell;
  end: number;
  exit?: Exit;
}

/** Output that is kept of one command in the background; what was first is given up first. */
const maxKept = 8 * 1024 * 1024; // bytes
/** Commands in the background that have ended and are kept. */
const maxEnded = 32;
const maxResult = 1024 * 1024; // characters

/** Commands in the simulated shell, in the foreground and in the background. */
export function commandRoutes(files: MemoryFiles, alive: AbortSignal): Route[] {
  const foreground = new Map<string, Running>();
  const commands = new Map<string, Background>();
  const find = (id: string): Background => {
    const command = commands.get(id);
    if (command) return command;
    throw new WharfError("not_found", { what: "command", id });
  };

  const begin = (body: Omit<ExecRequest, "command_id">, command: Running, caller?: AbortSignal) => {
    const { shell, working_dir, environment, timeout_s } = body;
    const signal = AbortSignal.any([alive, command.ending.signal, ...(caller ? [caller] : [])]);
    const input = { command: body.command, shell, working_dir, environment, timeout_s, stdin: command.input.bytes };
    return simulate(input, { files, signal });
  };

  /** It belongs to its caller, and is known by its id for as long as it runs. */
  const run = (body: ExecRequest, caller: AbortSignal): AsyncIterable<ExecEvent> => {
    const command = runningOf(body, { command_id: body.command_id ?? randomUUID(), background: false });
    const { command_id } = command.about;
    if (foreground.has(command_id) || commands.has(command_id))
      throw new WharfError("conflict", { what: "command", from: "started already", to: "started again" });
    const events = begin(body, command, caller);
    foreground.set(command_id, command);
    return withEnd(events, () => {
      foreground.delete(command_id);
      command.input.end();
    });
  };

  const keep = async (command: Background, events: AsyncIterable<ExecEvent>): Promise<void> => {
    for await (const event of events) {
      if (event.type === "exit") command.exit = event;
      if (event.type === "stdout" || event.type === "stderr") {
        const offset = command.end;
        command.end += Buffer.byteLength(event.data);
        const timestamp = new Date().toISOString();
        command.output.push({ type: event.type, data: event.data, offset, next: command.end, timestamp });
        while (command.end - (command.output[0]?.offset ?? 0) > maxKept) command.output.shift();
      }
      command.changed.ring();
    }
    command.input.end();
    const ended = [...commands.values()].filter(({ exit }) => exit);
    for (const { about } of ended.slice(0, Math.max(0, ended.length - maxEnded))) commands.delete(about.command_id);
  };

  return [
    route("exec", execApi.exec, ({ body }, signal) => encoded(run(body, signal), body.encoding)),
    route("execOnce", execApi.execOnce, async ({ body }, signal) => {
      const began = performance.now();
      const texts = { stdout: new End(), stderr: new End() };
      const command_id = body.command_id ?? randomUUID();
      let exit: Exit | undefined;
      for await (const event of run({ ...body, command_id }, signal)) {
        if (event.type === "exit") exit = event;
        else if (event.type === "stdout" || event.type === "stderr") texts[event.type].push(event.data);
      }
      const { stdout, stderr } = texts;
      return {
        command_id,
        stdout: encode(stdout.text(), body.encoding),
        stderr: encode(stderr.text(), body.encoding),
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
        exit_code: exit?.exit_code ?? null,
        signal: exit?.signal ?? null,
        timed_out: exit?.timed_out ?? false,
        duration_ms: performance.now() - began,
      };
    }),
    route("startCommand", execApi.startCommand, ({ body }) => {
      const command_id = body.command_id ?? randomUUID();
      if (commands.has(command_id)) return { command_id, duplicate: true };
      const running = runningOf(body, { command_id, background: true });
      const started: Background = { ...running, output: [], changed: new Bell(), end: 0 };
      const events = begin({ ...body, timeout_s: body.timeout_s ?? 86_400 }, started);
      commands.set(command_id, started);
      void keep(started, events);
      return { command_id, duplicate: false };
    }),
    route("commands", execApi.commands, () => ({
      commands: [...[...foreground.values()].map(infoOf), ...[...commands.values()].map(fullInfoOf)],
    })),
    route("command", execApi.command, ({ params: { command_id } }) => {
      const running = foreground.get(command_id);
      return running ? infoOf(running) : fullInfoOf(find(command_id));
    }),
    route("followCommand", execApi.followCommand, ({ params, query }, signal) =>
      encoded(follow(find(params.command_id), { ...query, signal }), query.encoding),
    ),
    route("writeCommand", execApi.writeCommand, async ({ params: { command_id }, body }) => {
      const { input } = foreground.get(command_id) ?? find(command_id);
      await input.write(Buffer.from(body.data, body.encoding), body);
      return { offset: input.offset };
    }),
    route("killCommand", execApi.killCommand, async ({ params: { command_id }, body }) => {
      const running = foreground.get(command_id);
      if (running) {
        running.ending.abort(new Killed(body.signal));
        return infoOf(running);
      }
      const command = find(command_id);
      command.ending.abort(new Killed(body.signal));
      while (!command.exit) await command.changed.wait(alive);
      return fullInfoOf(command);
    }),
    route("removeCommand", execApi.removeCommand, ({ params }) => {
      find(params.command_id).ending.abort(new Killed("SIGTERM"));
      commands.delete(params.command_id);
      return { ok: true as const };
    }),
  ];
}

function runningOf(
  { command, working_dir, stdin = "", stdin_open, encoding }: Omit<ExecRequest, "timeout_s">,
  about: { command_id: string; background: boolean },
): Running {
  return {
    about: { ...about, command, working_dir, started_at: new Date().toISOString() },
    input: new MockInput(Buffer.from(stdin, encoding), stdin_open),
    ending: new AbortController(),
  };
}

const infoOf = ({ about, input }: Running): CommandInfo => ({ ...about, stdin: input.offset, state: "running" });

function fullInfoOf(command: Background): CommandInfo {
  const { output, end, exit } = command;
  const info = { ...infoOf(command), output: { first: output[0]?.offset ?? end, end } };
  if (!exit) return info;
  const { exit_code, signal, timed_out } = exit;
  return { ...info, state: "exited", exit_code, signal, timed_out };
}

async function* withEnd<T>(all: AsyncIterable<T>, onEnd: () => void): AsyncGenerator<T> {
  try {
    yield* all;
  } finally {
    onEnd();
  }
}

async function* follow(
  command: Background,
  { after, follow: wait, signal }: { after: number; follow: boolean; signal: AbortSignal },
): AsyncGenerator<ExecEvent> {
  // Nothing is beyond the end: who asks for it waits there.
  for (let at = Math.min(after, command.end); ;) {
    const [first] = command.output;
    if (first && at < first.offset) {
      yield { type: "gap", from: at, to: first.offset };
      at = first.offset;
    }
    const piece = command.output.find(({ next }) => next > at);
    if (piece) {
      const skipped = Buffer.from(piece.data)
        .subarray(at - piece.offset)
        .toString();
      yield { ...piece, data: skipped, offset: at };
      at = piece.next;
    } else if (command.exit) return yield command.exit;
    else if (!wait) return;
    else await command.changed.wait(signal);
  }
}

async function* encoded(events: AsyncIterable<ExecEvent>, encoding: "utf8" | "base64"): AsyncGenerator<unknown> {
  for await (const event of events) yield "data" in event ? { ...event, data: encode(event.data, encoding) } : event;
}

const encode = (text: string, encoding: "utf8" | "base64") =>
  encoding === "utf8" ? text : Buffer.from(text).toString("base64");

/** The end of what a command prints. */
class End {
  #text = "";
  truncated = false;

  push(text: string): void {
    this.#text += text;
    // Cut now and then only.
    if (this.#text.length > 2 * maxResult) this.#cut();
  }

  text(): string {
    this.#cut();
    return this.#text;
  }

  #cut(): void {
    this.truncated ||= this.#text.length > maxResult;
    this.#text = this.#text.slice(-maxResult);
  }
}
