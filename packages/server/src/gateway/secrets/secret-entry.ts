import { z } from "zod";
import { createCommandEnvironment, VariableNames } from "./command-environment.ts";
import type { SecretPlace } from "./secret-source.ts";

export const absolutePath = z.string().regex(/^\//, "an absolute path");

const maxArgumentLength = 4_096;
const program = z
  .string()
  .max(maxArgumentLength)
  .regex(/^(?:\/.+|[^/]+)$/, "a program's name, or its absolute path");

/** A program that the operator names, with its arguments. The server uses no shell for it. */
export const CommandLine = z.tuple([program], z.string().max(maxArgumentLength));

/** Names the place of a secret. The files that name secrets never contain one. */
export const SecretEntry = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: absolutePath }),
  z.strictObject({ command: CommandLine, environment: VariableNames.optional() }),
]);
export type SecretEntry = z.infer<typeof SecretEntry>;

/** How long the output of a command is used before it is read again. */
const ttlMs = 60_000;

export function toSecretPlace(entry: SecretEntry, serverEnvironment: Readonly<Record<string, string>>): SecretPlace {
  if ("env" in entry) return { kind: "environment", name: entry.env, value: serverEnvironment[entry.env] };
  if ("file" in entry) return { kind: "file", path: entry.file };
  const [program, ...args] = entry.command;
  const environment = createCommandEnvironment(serverEnvironment, entry.environment);
  return { kind: "command", program, args, environment, ttlMs };
}
