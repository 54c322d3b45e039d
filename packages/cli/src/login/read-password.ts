import { StringDecoder } from "node:string_decoder";
import type { Cli } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { InterruptedError } from "../interrupts.ts";

const maxLength = 1024;

/** Reads a password from the terminal without showing it, or the first line of stdin. */
export async function readPassword(cli: Pick<Cli, "stdin" | "terminal">, label: string): Promise<string> {
  const { stdin, terminal } = cli;
  if (!isTerminal(stdin)) return readFirstLine(stdin);
  terminal.err(`${label}: `);
  stdin.setRawMode(true);
  try {
    return await readKeys(stdin);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    terminal.err("\n");
  }
}

const isTerminal = (stdin: Cli["stdin"]): stdin is NodeJS.ReadStream => "isTTY" in stdin && stdin.isTTY === true;

async function readFirstLine(stdin: Cli["stdin"]): Promise<string> {
  let text = "";
  for await (const chunk of stdin) {
    text += String(chunk);
    if (text.includes("\n") || text.length > maxLength) break;
  }
  const [line = ""] = text.split(/\r?\n/, 1);
  if (line === "") throw createUsageError("expected a password on stdin");
  return line;
}

/** Raw mode passes on every key, also those that otherwise edit the line or interrupt. */
function readKeys(stdin: NodeJS.ReadStream): Promise<string> {
  const decoder = new StringDecoder();
  const letters: string[] = [];
  return new Promise((resolve, reject) => {
    const stop = () => void stdin.off("data", read).off("end", end);
    const end = () => {
      stop();
      resolve(letters.join(""));
    };
    const read = (chunk: Buffer) => {
      for (const letter of decoder.write(chunk)) {
        if (letter === "\r" || letter === "\n") return end();
        if (letter === "\u0003" || letter === "\u0004") {
          stop();
          return reject(new InterruptedError("SIGINT"));
        }
        if (letter === "\u007f" || letter === "\b") letters.pop();
        else if (letter === "\u0015") letters.length = 0;
        else if (letters.length < maxLength) letters.push(letter);
      }
    };
    stdin.on("data", read).once("end", end);
    stdin.resume();
  });
}
