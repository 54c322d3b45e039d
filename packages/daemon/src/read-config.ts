import type { Readable } from "node:stream";
import { DaemonConfig, WharfError } from "@wharf/contract";

const maxConfigCharacters = 64 * 1024;

/**
 * Reads the configuration from the first line of the stream, or from the whole stream if it has no
 * line end.
 */
export async function readConfig(input: Readable): Promise<DaemonConfig> {
  let text = "";
  input.setEncoding("utf8");
  for await (const chunk of input) {
    text += String(chunk);
    if (text.includes("\n") && isJson(text)) break;
    if (text.length > maxConfigCharacters)
      throw createConfigError(`it is longer than ${maxConfigCharacters} characters`);
  }
  if (!isJson(text)) throw createConfigError("it is not JSON");
  const config = DaemonConfig.safeParse(JSON.parse(text));
  if (config.success) return config.data;
  throw createConfigError(config.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "));
}

const createConfigError = (reason: string): WharfError =>
  new WharfError("config_invalid", { name: "The daemon's configuration", reason });

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
