import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";

/**
 * Commands in a runner. A command in the foreground belongs to its caller: it is held back while the caller does not
 * read, loses nothing, and ends when the caller leaves. One in the background belongs to the runner: it never waits for
 * a reader, its output lies in a ring on disk under absolute offsets, and it is followed from any of them as often as
 * one likes.
 */

const Uuid = z.uuid();

export const OutputEncoding = z.enum(["utf8", "base64"]);
export type OutputEncoding = z.infer<typeof OutputEncoding>;

export const ExecCommand = z.object({
  command: z.string().min(1).max(1_000_000),
  shell: z.string().min(1).max(4096).default("bash"),
  working_dir: z.string().max(4096).default("."),
  environment: z.record(z.string().min(1).max(1024), z.string().max(131_072)).default({}),
  /** Chosen by the caller, so that input can be sent and the command be killed before its first output. */
  command_id: Uuid.optional(),
  /** How output, and `stdin`, are written in JSON. Bytes that are no UTF-8 survive base64 only. */
  encoding: OutputEncoding.default("utf8"),
  /** Input that is there from the start. */
  stdin: z.string().optional(),
  /** Whether more input comes by `POST /commands/:command_id/stdin`. Otherwise the input ends behind `stdin`. */
  stdin_open: z.boolean().default(false),
});
const timeout = z.number().positive().max(86_400);

export const ExecRequest = ExecCommand.extend({ timeout_s: timeout.default(30) });
export type ExecRequest = z.output<typeof ExecRequest>;

/** A command in the background runs as long as it likes where no timeout is given. */
export const BackgroundRequest = ExecCommand.omit({ encoding: true }).extend({
  timeout_s: timeout.optional(),
  /** How `stdin` is written. The output's encoding is chosen by whoever follows it. */
  encoding: OutputEncoding.default("utf8"),
});
export type BackgroundRequest = z.output<typeof BackgroundRequest>;

const output = {
  data: z.string(),
  /** Where the data lies in the command's output, and where what follows it begins. Only in the background. */
  offset: z.number().int().min(0).optional(),
  next: z.number().int().min(0).optional(),
  timestamp: z.string().optional(),
};

/** What a command says. The exit is the last, behind all output; its code stands nowhere else. */
export const ExecEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("stdout"), ...output }),
  z.object({ type: z.literal("stderr"), ...output }),
  /** Output from one offset to another was overwritten before it was read. */
  z.object({ type: z.literal("gap"), from: z.number().int().min(0), to: z.number().int().min(0) }),
  z.object({
    type: z.literal("exit"),
    /** Neither a code nor a signal: the daemon died with the command at work, and nobody knows how it ended. */
    exit_code: z.number().int().nullable(),
    signal: z.string().nullable(),
    timed_out: z.boolean(),
    /** True where the kernel ended it because the runner's memory was used up. */
    out_of_memory: z.boolean().optional(),
  }),
]);
export type ExecEvent = z.infer<typeof ExecEvent>;

/** A whole command's result. Of an output longer than 1 MiB its end is there. */
export const ExecResult = z.object({
  command_id: Uuid,
  stdout: z.string(),
  stderr: z.string(),
  stdout_truncated: z.boolean(),
  stderr_truncated: z.boolean(),
  exit_code: z.number().int().nullable(),
  signal: z.string().nullable(),
  timed_out: z.boolean(),
  out_of_memory: z.boolean().optional(),
  duration_ms: z.number(),
});
export type ExecResult = z.infer<typeof ExecResult>;

/** `unknown`: the daemon died while the command ran. What it had printed is still there. */
export const CommandState = z.enum(["running", "exited", "unknown"]);
export type CommandState = z.infer<typeof CommandState>;

export const CommandInfo = z.object({
  command_id: Uuid,
  command: z.string(),
  working_dir: z.string(),
  background: z.boolean(),
  state: CommandState,
  pid: z.number().int().optional(),
  started_at: z.string(),
  ended_at: z.string().optional(),
  exit_code: z.number().int().nullable().optional(),
  signal: z.string().nullable().optional(),
  timed_out: z.boolean().optional(),
  out_of_memory: z.boolean().optional(),
  /** The output that is kept, from the first offset up to, and without, the end. */
  output: z.object({ first: z.number(), end: z.number() }).optional(),
  /** How much input the command was given, in bytes. */
  stdin: z.number().int().min(0),
});
export type CommandInfo = z.infer<typeof CommandInfo>;

export const CommandInput = z.object({
  data: z.string().default(""),
  encoding: OutputEncoding.default("utf8"),
  /**
   * Where the data begins in all of the input, in bytes. What the command has already is left out, so that a request
   * whose answer was lost is sent again without harm. Behind where the input stands, it is refused.
   */
  offset: z.number().int().min(0).optional(),
  /** The input ends behind this data. */
  end: z.boolean().default(false),
});

/** The signals that a person sends; `SIGTERM` is followed by SIGKILL after 2 s. */
export const CommandSignal = z.enum(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2"]);

const params = z.object({ command_id: Uuid });

export const execApi = {
  exec: createEndpoint({
    method: "POST",
    path: "/execute/command/stream",
    summary: "Run a command; NDJSON of ExecEvent, all output before the exit. It ends when the caller leaves",
    body: ExecRequest,
    response: "stream",
  }),
  execOnce: createEndpoint({
    method: "POST",
    path: "/execute/command",
    summary: "Run a command and answer with all of it, when it has ended",
    body: ExecRequest,
    response: ExecResult,
    carriesContent: true,
  }),
  startCommand: createEndpoint({
    method: "POST",
    path: "/commands/background",
    summary: "Start a command that goes on by itself. With a `command_id` that is there already nothing is started",
    body: BackgroundRequest,
    response: z.object({ command_id: Uuid, duplicate: z.boolean() }),
  }),
  commands: createEndpoint({
    method: "GET",
    path: "/commands",
    summary: "All commands that run, and those in the background that have ended",
    response: z.object({ commands: z.array(CommandInfo) }),
    carriesContent: true,
  }),
  command: createEndpoint({
    method: "GET",
    path: "/commands/:command_id",
    summary: "One command",
    params,
    response: CommandInfo,
    carriesContent: true,
  }),
  followCommand: createEndpoint({
    method: "GET",
    path: "/commands/:command_id/stream",
    summary: "Output of a command in the background from an offset on, as NDJSON of ExecEvent, to its exit",
    params,
    query: z.object({
      after: z.coerce.number().int().min(0).default(0),
      /** Without it the stream ends with what is there now. */
      follow: z.stringbool().default(true),
      encoding: OutputEncoding.default("utf8"),
    }),
    response: "stream",
  }),
  writeCommand: createEndpoint({
    method: "POST",
    path: "/commands/:command_id/stdin",
    summary: "Give a command input. It is answered when the command's pipe has taken the data",
    params,
    body: CommandInput,
    response: z.object({ offset: z.number().int().min(0) }),
  }),
  killCommand: createEndpoint({
    method: "POST",
    path: "/commands/:command_id/kill",
    summary: "Send a signal to all processes of a command",
    params,
    body: z.object({ signal: CommandSignal.default("SIGTERM") }).default({ signal: "SIGTERM" }),
    response: CommandInfo,
    carriesContent: true,
  }),
  removeCommand: createEndpoint({
    method: "DELETE",
    path: "/commands/:command_id",
    summary: "End a command in the background where it still runs, and remove its output",
    params,
    response: z.object({ ok: z.literal(true) }),
  }),
} as const;
