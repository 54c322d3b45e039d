import { runProgram } from "../../secrets/index.ts";
import type { CredentialEntry, CredentialUse } from "./credential-entry.ts";
import type { Login } from "./login.ts";

/** Asks a program for a login, as git asks its credential helpers. */
export async function readLoginFromCommand(
  [program, ...args]: NonNullable<CredentialEntry["command"]>,
  { endpoint, path }: CredentialUse,
  environment: Readonly<Record<string, string>>,
): Promise<Login> {
  const { protocol, name, port } = endpoint;
  const host = `${name.includes(":") ? `[${name}]` : name}${port === undefined ? "" : `:${port}`}`;
  const input = `protocol=${protocol}\nhost=${host}\npath=${path.slice(1)}\n\n`;
  const output = await runProgram({ program, args: [...args, "get"], environment, input });
  const fields = new Map(
    output
      .toString()
      .split("\n")
      .map((line) => {
        const [key = "", ...value] = line.split("=");
        return [key, value.join("=").replace(/\r$/, "")] as const;
      }),
  );
  const username = fields.get("username");
  const password = fields.get("password");
  if (!username || !password) throw new Error(`${program} answered without a username and a password`);
  return { username, password };
}
