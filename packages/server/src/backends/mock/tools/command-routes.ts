import { randomUUID } from "node:crypto";
import {
  type CommandInfo,
  execApi,
  type ExecEvent,
  type ExecEvent as Told,
  type ExecRequest,
  WharfError,
} from "@wharf/contract";
import { Bell } from "../bell.ts";
import { type ExecInput, simulate } from "../exec/shell.ts";
import type { MemoryFiles } from "../memory-files.ts";
import { type Route, route } from "../serve-routes.ts";

type Output = { type: "stdout" | "stderr"; data: string; offset: number; next: number; timestamp: string };
type Exit = Extract<ExecEvent, { type: "exit" }>;

interface Background {
  readonly info: Omit<CommandInfo, "state" | "output">;
  readonly output: Output[];
  readonly ending: AbortController;
  readonly changed: Bell;
  end: number;
  exit?: Exit;
}

/** Output that is kept of one command in the background; what was first is given up first. */
const maxKept = 10_000; // pieces
const maxResult = 1024 * 1024; // characters

/** Commands in the simulated shell, in the foreground and in the background. They have no input but what they begin with. */
export function commandRoutes(files: MemoryFiles, alive: AbortSignal): Route[] {
  const commands = new Map<string, Background>();
  const find = (id: string): Background => {
    const command = commands.get(id);
    if (command) return command;
    throw new WharfError("not_found", { what: "command", id });
  };
  const begin = (input: ExecInput, signal: AbortSignal) =>
    simulate(input, { files, signal: AbortSignal.any([signal, alive]) });

  const run = async (command: Background, events: AsyncIterable<ExecEvent>): Promise<void> => {
    for await (const event of events) {
      if (event.type === "exit") command.exit = event;
      if (event.type === "stdout" || event.type === "stderr") {
        const offset = command.end;
        command.end += Buffer.byteLength(event.data);
        const timestamp = new Date().toISOString();
        command.output.push({ type: event.type, data: event.data, offset, next: command.end, timestamp });
        if (command.output.length > maxKept) command.output.shift();
      }
      command.changed.ring();
    }
  };

  return [
    route("exec", execApi.exec, ({ body }, signal) => encoded(begin(inputOf(body), signal), body.encoding)),
    route("execOnce", execApi.execOnce, async ({ body }, signal) => {
      const began = performance.now();
      const texts = { stdout: "", stderr: "" };
      let exit: Exit | undefined;
      for await (const event of begin(inputOf(body), signal)) {
        if (event.type === "exit") exit = event;
        else if (event.type === "stdout" || event.type === "stderr") texts[event.type] += event.data;
      }
      return {
        command_id: body.command_id ?? randomUUID(),
        stdout: encode(texts.stdout.slice(-maxResult), body.encoding),
        stderr: encode(texts.stderr.slice(-maxResult), body.encoding),
        stdout_truncated: texts.stdout.length > maxResult,
        stderr_truncated: texts.stderr.length > maxResult,
        exit_code: exit?.exit_code ?? null,
        signal: exit?.signal ?? null,
        timed_out: exit?.timed_out ?? false,
        duration_ms: performance.now() - began,
      };
    }),
    route("startCommand", execApi.startCommand, ({ body }) => {
      const command_id = body.command_id ?? randomUUID();
      if (commands.has(command_id)) return { command_id, duplicate: true };
      const input = inputOf({ ...body, timeout_s: body.timeout_s ?? 86_400 });
      const ending = new AbortController();
      const events = begin(input, ending.signal);
      const { command, working_dir } = body;
      const info = { command_id, command, working_dir, background: true, started_at: new Date().toISOString() };
      const started: Background = {
        info: { ...info, stdin: Buffer.byteLength(body.stdin ?? "") },
        output: [],
        ending,
        changed: new Bell(),
        end: 0,
      };
      commands.set(command_id, started);
      void run(started, events);
      return { command_id, duplicate: false };
    }),
    route("commands", execApi.commands, () => ({ commands: [...commands.values()].map(infoOf) })),
    route("command", execApi.command, ({ params }) => infoOf(find(params.command_id))),
    route("followCommand", execApi.followCommand, ({ params, query }, signal) =>
      encoded(follow(find(params.command_id), { ...query, signal }), query.encoding),
    ),
    route("writeCommand", execApi.writeCommand, ({ params }) => {
      find(params.command_id);
      throw new WharfError("unsupported", { what: "input for a simulated command" });
    }),
    route("killCommand", execApi.killCommand, async ({ params }) => {
      const command = find(params.command_id);
      command.ending.abort(new Error("it was killed"));
      while (!command.exit) await command.changed.wait(alive);
      return infoOf(command);
    }),
    route("removeCommand", execApi.removeCommand, ({ params }) => {
      find(params.command_id).ending.abort(new Error("it was removed"));
      commands.delete(params.command_id);
      return { ok: true as const };
    }),
  ];
}

function inputOf(body: Omit<ExecRequest, "command_id">): ExecInput {
  const { command, shell, working_dir, environment, timeout_s, encoding, stdin } = body;
  return {
    command,
    shell,
    working_dir,
    environment,
    timeout_s,
    ...(stdin !== undefined && { stdin: Buffer.from(stdin, encoding) }),
  };
}

function infoOf({ info, output, end, exit }: Background): CommandInfo {
  const kept = { first: output[0]?.offset ?? end, end };
  if (!exit) return { ...info, state: "running", output: kept };
  const { exit_code, signal, timed_out } = exit;
  return { ...info, state: "exited", exit_code, signal, timed_out, output: kept };
}

async function* follow(
  command: Background,
  { after, follow: wait, signal }: { after: number; follow: boolean; signal: AbortSignal },
): AsyncGenerator<Told> {
  if (after > command.end)
    throw new WharfError("conflict", { what: "output's end", from: String(command.end), to: String(after) });
  for (let at = after; ;) {
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

async function* encoded(events: AsyncIterable<Told>, encoding: "utf8" | "base64"): AsyncGenerator<unknown> {
  for await (const event of events) yield "data" in event ? { ...event, data: encode(event.data, encoding) } : event;
}

const encode = (text: string, encoding: "utf8" | "base64") =>
  encoding === "utf8" ? text : Buffer.from(text).toString("base64");
