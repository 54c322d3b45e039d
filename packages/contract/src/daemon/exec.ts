import { z } from "zod";
import { createDaemonEndpoint, Ok } from "../endpoint.ts";

/**
 * Commands in a runner. A foreground command belongs to its caller: it is held back while the
 * caller does not read, loses no output, and ends when the caller disconnects. A background command
 * belongs to the runner: it never waits for a reader, it writes its output to a ring on disk under
 * absolute offsets, and readers may follow it from any offset as often as they like.
 */

const Uuid = z.uuid();

/** The system ends a text at NUL, so that a program would get another one. */
export const hasNoNul = (text: string): boolean => !text.includes("\0");

export const EnvironmentVariables = z.record(
  z.string().min(1).max(1024),
  z.string().max(131_072).refine(hasNoNul, "must not contain the character NUL"),
);

export const OutputEncoding = z.enum(["utf8", "base64"]);
export type OutputEncoding = z.infer<typeof OutputEncoding>;

export const ExecCommand = z.object({
  command: z.string().min(1).max(1_000_000),
  shell: z.string().min(1).max(4096).default("bash"),
  working_dir: z.string().max(4096).default("."),
  environment: EnvironmentVariables.default({}),
  /**
   * The caller chooses the id, so that it can send input or kill the command before the first
   * output.
   */
  command_id: Uuid.optional(),
  /**
   * The encoding of the output and of `stdin` in JSON. Bytes that are not UTF-8 survive only as
   * base64.
   */
  encoding: OutputEncoding.default("utf8"),
  /** Input that is available from the start. */
  stdin: z.string().optional(),
  /**
   * Whether more input follows through `POST /commands/:command_id/stdin`. Otherwise the input ends
   * after `stdin`.
   */
  stdin_open: z.boolean().default(false),
});
const timeout = z.number().positive().max(86_400);

export const ExecRequest = ExecCommand.extend({ timeout_s: timeout.default(30) });
export type ExecRequest = z.output<typeof ExecRequest>;

/** A background command without a timeout runs until it exits. */
export const BackgroundRequest = ExecCommand.omit({ encoding: true }).extend({
  timeout_s: timeout.optional(),
  /** The encoding of `stdin`. Each reader chooses the encoding of the output. */
  encoding: OutputEncoding.default("utf8"),
});
export type BackgroundRequest = z.output<typeof BackgroundRequest>;

const output = {
  data: z.string(),
  /**
   * Offset of the data in the command's output, and offset of the data after it. Background
   * commands only.
   */
  offset: z.number().int().min(0).optional(),
  next: z.number().int().min(0).optional(),
  timestamp: z.string().optional(),
};

/**
 * The events of a command. The exit comes last, after all output, and only the exit event carries
 * the exit code.
 */
export const ExecEvent = z.discriminatedUnion("type", [
  z.object({ type: z.literal("stdout"), ...output }),
  z.object({ type: z.literal("stderr"), ...output }),
  /** Output between the two offsets was overwritten before the caller read it. */
  z.object({ type: z.literal("gap"), from: z.number().int().min(0), to: z.number().int().min(0) }),
  z.object({
    type: z.literal("exit"),
    /**
     * Both the code and the signal are null if the daemon died while the command ran: how the
     * command ended is unknown.
     */
    exit_code: z.number().int().nullable(),
    signal: z.string().nullable(),
    timed_out: z.boolean(),
    /** True if the kernel killed the command because the runner ran out of memory. */
    out_of_memory: z.boolean().optional(),
  }),
]);
export type ExecEvent = z.infer<typeof ExecEvent>;

/** The complete result of a command. Output longer than 1 MiB is reduced to its end. */
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

/** `unknown`: the daemon died while the command ran. The output up to then is kept. */
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
  /** The retained output, from the first offset up to, but not including, the end. */
  output: z.object({ first: z.number(), end: z.number() }).optional(),
  /** How much input the command has received, in bytes. */
  stdin: z.number().int().min(0),
});
export type CommandInfo = z.infer<typeof CommandInfo>;

export const CommandInput = z.object({
  data: z.string().default(""),
  encoding: OutputEncoding.default("utf8"),
  /**
   * Offset of the data in the whole input, in bytes. The daemon drops data that the command already
   * has, so that a caller can repeat a request whose answer was lost. An offset past the end of the
   * received input is refused.
   */
  offset: z.number().int().min(0).optional(),
  /** The input ends after this data. */
  end: z.boolean().default(false),
});

/** The signals that a person can send; SIGKILL follows `SIGTERM` after 2 s. */
export const CommandSignal = z.enum(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGKILL", "SIGUSR1", "SIGUSR2"]);

const params = z.object({ command_id: Uuid });

export const execApi = {
  exec: createDaemonEndpoint({
    method: "POST",
    path: "/execute/command/stream",
    summary:
      "Run a command and stream its output as NDJSON of ExecEvent, the exit last. The command ends when the caller disconnects",
    body: ExecRequest,
    response: "stream",
    line: ExecEvent,
    hasEvents: true,
  }),
  execOnce: createDaemonEndpoint({
    method: "POST",
    path: "/execute/command",
    summary: "Run a command and answer with its complete result when it has ended",
    body: ExecRequest,
    response: ExecResult,
    carriesContent: true,
  }),
  startCommand: createDaemonEndpoint({
    method: "POST",
    path: "/commands/background",
    summary: "Start a command in the background. If its `command_id` exists already, nothing starts",
    body: BackgroundRequest,
    response: z.object({ command_id: Uuid, duplicate: z.boolean() }),
  }),
  commands: createDaemonEndpoint({
    method: "GET",
    path: "/commands",
    summary: "List all running commands, and the background commands that have ended",
    response: z.object({ commands: z.array(CommandInfo) }),
    carriesContent: true,
  }),
  command: createDaemonEndpoint({
    method: "GET",
    path: "/commands/:command_id",
    summary: "Get a command",
    params,
    response: CommandInfo,
    carriesContent: true,
  }),
  followCommand: createDaemonEndpoint({
    method: "GET",
    path: "/commands/:command_id/stream",
    summary: "Stream a background command's output from an offset to its exit, as NDJSON of ExecEvent",
    params,
    query: z.object({
      after: z.coerce.number().int().min(0).default(0),
      /** Without `follow` the stream ends after the output available now. */
      follow: z.stringbool().default(true),
      encoding: OutputEncoding.default("utf8"),
    }),
    response: "stream",
    line: ExecEvent,
    hasEvents: true,
  }),
  writeCommand: createDaemonEndpoint({
    method: "POST",
    path: "/commands/:command_id/stdin",
    summary: "Send input to a command. Answers when the command's pipe has taken the data",
    params,
    body: CommandInput,
    response: z.object({ offset: z.number().int().min(0) }),
  }),
  killCommand: createDaemonEndpoint({
    method: "POST",
    path: "/commands/:command_id/kill",
    summary: "Send a signal to all processes of a command",
    params,
    body: z.object({ signal: CommandSignal.default("SIGTERM") }).default({ signal: "SIGTERM" }),
    response: CommandInfo,
    carriesContent: true,
  }),
  removeCommand: createDaemonEndpoint({
    method: "DELETE",
    path: "/commands/:command_id",
    summary: "Stop a background command if it still runs, and delete its output",
    params,
    response: Ok,
  }),
} as const;
