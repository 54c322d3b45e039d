import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { z } from "zod";

export const absolutePath = z.string().regex(/^\//, "an absolute path");
export const command = z.array(z.string().min(1)).min(1);

/** Where a secret is. The files that name secrets never contain one. */
export const SecretSource = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: absolutePath }),
  z.strictObject({ command }),
]);
export type SecretSource = z.infer<typeof SecretSource>;

const commandTimeoutMs = 30_000;
const maxOutputBytes = 64 * 1024;

type Environment = Readonly<Record<string, string>>;

/** Reads a secret. An error names where it should be, and never contains any of it. */
export async function readSecret(source: SecretSource, environment: Environment): Promise<string> {
  const [place, text] = await readSource(source, environment);
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "") throw new Error(`${place} is empty`);
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(secret))
    throw new Error(`${place} contains a line break or another control character`);
  return secret;
}

async function readSource(source: SecretSource, environment: Environment): Promise<[place: string, text: string]> {
  if ("env" in source) {
    const text = environment[source.env];
    if (text === undefined) throw new Error(`the server's environment has no variable ${source.env}`);
    return [`the variable ${source.env}`, text];
  }
  if ("file" in source) return [source.file, await readFile(source.file, "utf8")];
  return [`the output of ${source.command[0]}`, await runProgram(source.command, { environment, input: "" })];
}

/** Runs a program of the operator's and returns its output. Its stderr may contain secrets. */
export function runProgram(
  [program = "", ...args]: readonly string[],
  { environment, input }: { readonly environment: Environment; readonly input: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const limits = { timeout: commandTimeoutMs, killSignal: "SIGKILL", maxBuffer: maxOutputBytes } as const;
    const child = execFile(program, args, { env: environment, ...limits }, (error, stdout) => {
      if (!error) return resolve(stdout);
      const how = error.killed
        ? `took longer than ${commandTimeoutMs / 1_000} s or wrote too much`
        : `failed (${error.code ?? "killed"})`;
      reject(new Error(`${program} ${how}`));
    });
    child.stdin?.on("error", () => undefined).end(input);
  });
}
