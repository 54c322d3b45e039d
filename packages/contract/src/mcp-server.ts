import { z } from "zod";

const name = z.string().regex(/^[\w-]{1,64}$/, "letters, digits, _ and -, at most 64");
const texts = z.record(z.string().min(1).max(200), z.string().max(100_000));

/**
 * A program that the agent starts inside its runner and uses over stdio: a name on the PATH there,
 * or a full path.
 */
export const McpProgram = z.strictObject({
  name,
  command: z
    .string()
    .max(4_096)
    .regex(/^(?:\/.*|[\w.+@-]+)$/, "the name of a program on the PATH, or a full path"),
  args: z.array(z.string().max(100_000)).max(100).default([]),
  env: texts.default({}),
});
/** A server that the agent reaches by HTTP from inside its runner. */
export const McpAddress = z.strictObject({
  name,
  url: z
    .string()
    .max(2_000)
    .regex(/^https?:\/\//, "an address that begins with http:// or https://"),
  headers: texts.default({}),
});
export const McpServer = z.union([McpProgram, McpAddress]);
export type McpServer = z.infer<typeof McpServer>;

export const McpServers = z
  .array(McpServer)
  .max(50)
  .refine(
    (servers) => new Set(servers.map((server) => server.name)).size === servers.length,
    "server names that occur only once",
  );
