import { z } from "zod";
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
  z.strictObject({ command: CommandLine }),
]);
export type SecretEntry = z.infer<typeof SecretEntry>;

/** How long the output of a command is used before it is read again. */
const ttlMs = 60_000;

/** `environment` is the server's own, which the command gets too. */
export function toSecretPlace(entry: SecretEntry, environment: Readonly<Record<string, string>>): SecretPlace {
  if ("env" in entry) return { kind: "environment", name: entry.env, value: environment[entry.env] };
  if ("file" in entry) return { kind: "file", path: entry.file };
  const [program, ...args] = entry.command;
  return { kind: "command", program, args, environment, ttlMs };
}
