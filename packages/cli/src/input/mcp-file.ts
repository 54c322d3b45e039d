import { McpServer } from "@wharf/contract";
import { z } from "zod";
import type { Host } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { readPromptText } from "./prompt-text.ts";

const option = "--mcp-servers";

/** Many programs read files of this form, such as `.mcp.json`; some of them name the transport. */
const McpFile = z.object({
  mcpServers: z.record(z.string(), z.looseObject({ type: z.enum(["stdio", "http"], "stdio or http").optional() })),
});

/** Reads the MCP servers from a file or from stdin (`-`); returns undefined without a file. */
export async function readMcpServers(host: Host, file: string | undefined): Promise<McpServer[] | undefined> {
  const text = await readPromptText(host, { text: undefined, file, option });
  if (text === undefined) return undefined;
  const { mcpServers } = check(McpFile, parse(text));
  return Object.entries(mcpServers).map(([name, entry]) => {
    const { type: _, ...server } = entry;
    return check(McpServer, { name, ...server }, name);
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw createUsageError(`${option}: expected JSON, got something else (${toSingleLine(String(error), 200)})`);
  }
}

function check<S extends z.ZodType>(schema: S, value: unknown, name?: string): z.output<S> {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const server = name === undefined ? "" : ` of '${toSingleLine(name, 60)}'`;
  throw createUsageError(`${option}: unexpected form${server} (${toSingleLine(z.prettifyError(checked.error), 300)})`);
}
