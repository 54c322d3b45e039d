import { runProgram } from "../../secret-source.ts";
import type { CredentialUse } from "./credential-entry.ts";
import type { Login } from "./login.ts";

/** Asks a program for a login, as git asks its credential helpers. */
export async function readLoginFromCommand(
  command: readonly string[],
  { endpoint, path }: CredentialUse,
  environment: Readonly<Record<string, string>>,
): Promise<Login> {
  const { protocol, name, port } = endpoint;
  const host = `${name.includes(":") ? `[${name}]` : name}${port === undefined ? "" : `:${port}`}`;
  const input = `protocol=${protocol}\nhost=${host}\npath=${path.slice(1)}\n\n`;
  const output = await runProgram([...command, "get"], { input, environment });
  const fields = new Map(
    output.split("\n").map((line) => {
      const [key = "", ...value] = line.split("=");
      return [key, value.join("=").replace(/\r$/, "")] as const;
    }),
  );
  const username = fields.get("username");
  const password = fields.get("password");
  if (!username || !password) throw new Error(`${command[0]} answered without a username and a password`);
  return { username, password };
}
