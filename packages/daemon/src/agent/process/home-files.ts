import { mkdir } from "node:fs/promises";
import { ConfinedFolder } from "../confined-folder.ts";
import type { AgentHostOptions } from "../types.ts";
import { insertGateway } from "./environment.ts";

/** Writes the files that an agent finds in its home; none can be outside it. */
export async function writeHomeFiles(
  files: Readonly<Record<string, string>>,
  { home, gatewayUrl }: Pick<AgentHostOptions, "home" | "gatewayUrl">,
): Promise<void> {
  await mkdir(home, { recursive: true });
  const folder = new ConfinedFolder(home);
  for (const [path, content] of Object.entries(files)) await folder.write(path, insertGateway(content, gatewayUrl));
}
