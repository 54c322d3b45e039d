import { createReadStream } from "node:fs";
import { resolve } from "node:path";
import type { Host } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";

/** The server limits prompts and descriptions to this many characters. */
const maxCharacters = 200_000;

interface TextInput {
  /** Holds the text itself, or `-` for stdin. */
  readonly text: string | undefined;
  /** Holds a path, or `-` for stdin. */
  readonly file: string | undefined;
  readonly max?: number; // characters
  /** Names the option for the file. */
  readonly option?: string;
}

/**
 * Reads the user's text from an argument, stdin (`-`) or a file (`--file`); returns undefined
 * without any of them.
 */
export async function readPromptText(
  host: Host,
  { text, file, max = maxCharacters, option = "--file" }: TextInput,
): Promise<string | undefined> {
  if (text !== undefined && file !== undefined)
    throw createUsageError("give the text as an argument or with --file, not both");
  if (text === "-" || file === "-") {
    if ("isTTY" in host.stdin && host.stdin.isTTY === true)
      throw createUsageError("-: expected text on stdin, got a terminal; pipe it in or use --file <path>");
    return readBounded(host.stdin, { name: "-", max });
  }
  if (file === undefined) return text;
  const source = { name: option, max };
  return readBounded(createReadStream(resolve(host.folder, file)), source).catch((error: unknown) => {
    if (!(error instanceof Error && "syscall" in error && "code" in error)) throw error;
    throw createUsageError(
      `${option}: expected a readable file, got '${toSingleLine(file, 200)}' (${String(error.code)})`,
    );
  });
}

interface TextSource {
  /** Names the source as the user typed it. */
  readonly name: string;
  readonly max: number; // characters
}

/** Reads a stream up to the longest possible text: a character takes four bytes at most. */
async function readBounded(stream: AsyncIterable<Buffer | string>, source: TextSource): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream) {
    const bytes = Buffer.from(piece);
    length += bytes.length;
    if (length > 4 * source.max) throw createTooLongError(source);
    pieces.push(bytes);
  }
  return parseText(Buffer.concat(pieces), source);
}

function parseText(bytes: Buffer, source: TextSource): string {
  const { name, max } = source;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw createUsageError(`${name}: expected text in UTF-8, got other bytes`);
  }
  if (text.includes("\0")) throw createUsageError(`${name}: expected text, got a NUL character`);
  if (text.trim() === "") throw createUsageError(`${name}: expected text, got nothing`);
  if (text.length > max) throw createTooLongError(source);
  return text;
}

const createTooLongError = ({ name, max }: TextSource) =>
  createUsageError(`${name}: expected at most ${max} characters, got more`);
