import { randomUUID } from "node:crypto";
import { constants } from "node:os";
import { ExecEvent, RemoteError, runnerApi, WharfError } from "@wharf/contract";
import { ndjsonLines } from "@wharf/contract/wire";
import type { Client } from "../client.ts";
import type { CommandInterrupts } from "./command-interrupts.ts";
import { piecesOf, request } from "./request.ts";

export interface ExecInput {
  readonly runner_id: string;
  readonly command: string;
  readonly shell: string;
  readonly working_dir: string;
  readonly environment: Record<string, string>;
  readonly timeout_s: number;
}

export interface ExecOptions {
  readonly interrupts: Pick<CommandInterrupts, "signal" | "forwardTo">;
  /** What the command reads; without it the command's input is empty. */
  readonly stdin: NodeJS.ReadStream | undefined;
  /** Base64 keeps every byte; text is for those who read JSON. */
  readonly encoding: "base64" | "utf8";
  readonly show: (event: ExecEvent) => Promise<void>;
}

type Exit = Extract<ExecEvent, { type: "exit" }>;

const maxLine = 2 * 1024 * 1024; // bytes
/** Of the command's input that goes in one request. */
const inputBytes = 256 * 1024;
/** As `timeout` has it. */
const timedOut = 124;

/** Runs a command in a runner and shows what it says. Its end is answered; a cut answer is an error. */
export async function exec(client: Client, input: ExecInput, options: ExecOptions): Promise<Exit> {
  const { runner_id, ...rest } = input;
  const { interrupts, stdin, encoding, show } = options;
  const { signal } = interrupts;
  const command_id = randomUUID();
  const body = { ...rest, command_id, encoding, stdin_open: stdin !== undefined };
  let hasBegun = false;
  interrupts.forwardTo(async () => {
    const interrupt = { params: { runner_id, command_id }, body: { signal: "SIGINT" as const } };
    await client.call(runnerApi.killRunnerCommand, interrupt, { signal }).catch((error: unknown) => {
      // It has ended meanwhile, and its exit is on its way.
      if (hasBegun && error instanceof RemoteError && error.code === "not_found") return;
      throw error;
    });
  });
  const answer = await request(client.locate, runnerApi.execRunner, { params: { runner_id }, body }, { signal });
  hasBegun = true;
  const over = new AbortController();
  const feeding = stdin && feed(client, { runner_id, command_id }, { stdin, over: over.signal });
  // Told when the command has ended.
  feeding?.catch(() => undefined);
  try {
    for await (const line of ndjsonLines(piecesOf(answer, signal), maxLine)) {
      const event = ExecEvent.parse(JSON.parse(line));
      if (event.type === "exit") return event;
      await show(event);
    }
  } finally {
    over.abort();
    stdin?.destroy();
    await feeding;
  }
  throw new WharfError("runner_unavailable", {
    runner_id,
    reason: "it broke off, and how the command ended is not known",
  });
}

/** The code to exit with: the command's own; 124 for one that took too long, 128 and its number for a signal. */
export function exitCodeOf({ exit_code, signal, timed_out }: Exit): number {
  if (timed_out) return timedOut;
  if (exit_code !== null) return exit_code;
  const number = signal === null ? undefined : Object.entries(constants.signals).find(([name]) => name === signal)?.[1];
  return number === undefined ? 2 : 128 + number;
}

/** Gives the command its input piece by piece, each when it has taken the one before, and its end. */
async function feed(
  client: Client,
  params: { runner_id: string; command_id: string },
  { stdin, over }: { stdin: NodeJS.ReadStream; over: AbortSignal },
): Promise<void> {
  let offset = 0;
  const give = async (data: Buffer, end: boolean) => {
    for (let from = 0; from < data.length || end; from += inputBytes) {
      const piece = data.subarray(from, from + inputBytes);
      const last = from + inputBytes >= data.length;
      const body = { data: piece.toString("base64"), encoding: "base64" as const, offset, end: end && last };
      // A command may take its time to read.
      await client.call(runnerApi.writeRunnerCommand, { params, body }, { signal: over, timeout: 86_400_000 });
      offset += piece.length;
      if (last) return;
    }
  };
  try {
    for await (const piece of stdin) await give(Buffer.from(piece), false);
    await give(Buffer.alloc(0), true);
  } catch (error) {
    // A command that has ended, or wants no more, takes nothing; its exit tells the rest.
    if (over.aborted || (error instanceof RemoteError && ["conflict", "not_found"].includes(error.code))) return;
    // Destroyed with the command's end.
    if (error instanceof Error && "code" in error && error.code === "ERR_STREAM_PREMATURE_CLOSE") return;
    throw error;
  }
}

/** One argument is a line for the shell; several are one program's own, each kept as it is. */
export function shellLine(words: readonly string[]): string {
  const [first = ""] = words;
  return words.length === 1 ? first : words.map(quoted).join(" ");
}

const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
