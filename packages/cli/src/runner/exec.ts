import { randomUUID } from "node:crypto";
import { constants } from "node:os";
import { ExecEvent, RemoteError, WharfError } from "@wharf/contract";
import { readNdjsonLines } from "@wharf/contract/wire";
import { toAccessEnd } from "../server/access-end.ts";
import type { CommandInterrupts } from "./command-interrupts.ts";
import type { RemoteCommands } from "./remote-commands.ts";
import { readPieces } from "./request.ts";

export interface ExecInput {
  readonly command: string;
  readonly shell: string;
  readonly working_dir: string;
  readonly environment: Record<string, string>;
  readonly timeout_s: number;
}

export interface ExecOptions {
  readonly interrupts: Pick<CommandInterrupts, "signal" | "forwardTo">;
  /** Provides the command's input; without it the input is empty. */
  readonly stdin: NodeJS.ReadStream | undefined;
  /** Base64 keeps every byte; text is for readers of JSON. */
  readonly encoding: "base64" | "utf8";
  readonly show: (event: ExecEvent) => Promise<void>;
}

type ExecExit = Extract<ExecEvent, { type: "exit" }>;

const maxLineBytes = 2 * 1024 * 1024;
/** Limits how much of the command's input is sent in one request. */
const maxInputBytes = 256 * 1024;
/** The `timeout` program uses the same code. */
const timedOutExitCode = 124;

/**
 * Runs a command in a runner or a workspace and shows its output. Resolves to its exit; a cut
 * response is an error.
 */
export async function runCommand(commands: RemoteCommands, input: ExecInput, options: ExecOptions): Promise<ExecExit> {
  const { interrupts, stdin, encoding, show } = options;
  const { signal } = interrupts;
  const commandId = randomUUID();
  const body = { ...input, command_id: commandId, encoding, stdin_open: stdin !== undefined };
  let hasBegun = false;
  interrupts.forwardTo(async () => {
    await commands.interrupt(commandId, signal).catch((error: unknown) => {
      // The command has ended meanwhile, and its exit is in flight.
      if (hasBegun && isCommandGone(error)) return;
      throw (hasBegun ? toAccessEnd(error) : undefined) ?? error;
    });
  });
  const answer = await commands.start(body, signal);
  hasBegun = true;
  const completion = new AbortController();
  const feeding = stdin && sendInput(commands, commandId, { stdin, over: completion.signal });
  // A failure is reported when the command has ended.
  feeding?.catch(() => undefined);
  try {
    for await (const line of readNdjsonLines(readPieces(answer, signal), maxLineBytes)) {
      const event = ExecEvent.parse(JSON.parse(line));
      if (event.type === "exit") return event;
      await show(event);
    }
  } finally {
    completion.abort();
    stdin?.destroy();
    await feeding;
  }
  throw new WharfError("runner_unavailable", {
    runner_id: commands.id,
    reason: "the connection broke, so the result of the command is unknown",
  });
}

/**
 * Returns the exit code: the command's own; 124 after a timeout, 128 and the number for a signal.
 */
export function getExitCode({ exit_code, signal, timed_out }: ExecExit): number {
  if (timed_out) return timedOutExitCode;
  if (exit_code !== null) return exit_code;
  const number = signal === null ? undefined : Object.entries(constants.signals).find(([name]) => name === signal)?.[1];
  return number === undefined ? 2 : 128 + number;
}

/**
 * Sends the command its input piece by piece, each after the previous piece was accepted, and then
 * its end.
 */
async function sendInput(
  commands: RemoteCommands,
  commandId: string,
  { stdin, over: endSignal }: { stdin: NodeJS.ReadStream; over: AbortSignal },
): Promise<void> {
  let offset = 0;
  const sendPiece = async (data: Buffer, end: boolean) => {
    for (let start = 0; start < data.length || end; start += maxInputBytes) {
      const piece = data.subarray(start, start + maxInputBytes);
      const last = start + maxInputBytes >= data.length;
      const body = { data: piece.toString("base64"), encoding: "base64" as const, offset, end: end && last };
      await commands.sendInput(commandId, body, endSignal);
      offset += piece.length;
      if (last) return;
    }
  };
  try {
    for await (const piece of stdin) await sendPiece(Buffer.from(piece), false);
    await sendPiece(Buffer.alloc(0), true);
  } catch (error) {
    // A command that has ended, or has closed its input, accepts nothing; its exit explains the
    // rest.
    if (endSignal.aborted || isInputClosed(error)) return;
    // The end of the command destroys the input.
    if (error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") return;
    throw toAccessEnd(error) ?? error;
  }
}

const goneCodes = ["command_not_found", "runner_not_found"];
const closedCodes = ["runner_not_running", "runner_stopping", "stdin_closed"];

const isCommandGone = (error: unknown): boolean => error instanceof RemoteError && goneCodes.includes(error.code);

const isInputClosed = (error: unknown): boolean =>
  isCommandGone(error) || (error instanceof RemoteError && closedCodes.includes(error.code));

/** A single argument is a shell line; several are one program's arguments, each kept as it is. */
export function toShellLine(words: readonly string[]): string {
  const [first = ""] = words;
  return words.length === 1 ? first : words.map(toShellWord).join(" ");
}

const toShellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
