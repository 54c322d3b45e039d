import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type ConfigFile, createConfigError, type Profile, requirePrivate, toAbsolutePath } from "./config-file.ts";

/** Reads a profile's token from its source when a command needs it. */
export interface TokenSource {
  /** Names the file, the line and the key. */
  readonly place: string;
  read(): Promise<string>;
}

/** A command may take this long to print a token, because the user may have to unlock a store. */
const commandTimeoutMs = 120_000;
const maxTokenBytes = 16_384;

export function createTokenSource(config: ConfigFile, name: string, profile: Profile): TokenSource | undefined {
  const { token, token_file, token_command } = profile;
  const getPlace = (key: string) => `${config.locate(key, name)} (${key})`;
  if (token !== undefined) {
    const place = getPlace("token");
    return { place, read: async () => parseToken(token, place) };
  }
  if (token_file !== undefined) {
    const place = getPlace("token_file");
    return { place, read: () => readTokenFile(toAbsolutePath(config, token_file), place) };
  }
  if (token_command === undefined) return undefined;
  const place = getPlace("token_command");
  return { place, read: () => runTokenCommand(token_command, place) };
}

async function readTokenFile(path: string, place: string): Promise<string> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw createConfigError(place, `${path} cannot be read (${code})`, error);
  });
  requirePrivate(path);
  return parseToken(text, place);
}

/** The command shares the user's stdin and stderr, so that it can ask for a password. */
async function runTokenCommand(command: string, place: string): Promise<string> {
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["inherit", "pipe", "inherit"], timeout: commandTimeoutMs });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += String(chunk);
    if (text.length > maxTokenBytes) child.kill();
  });
  const [code, signal] = await once(child, "close");
  if (code !== 0)
    throw createConfigError(place, `the command ended with ${code === null ? String(signal) : `code ${code}`}`);
  return parseToken(text, place);
}

/** A token is sent in a header, so it must be one word of printable characters. */
function parseToken(text: string, place: string): string {
  const token = text.trim();
  if (!/^[\x21-\x7e]+$/.test(token))
    throw createConfigError(place, "no token: expected one word of printable characters");
  return token;
}
