import type { ToolCallContent } from "@agentclientprotocol/sdk";
import { createTextContent } from "../session/index.ts";

/** A diff larger than this is only described: it would be sent and kept several times. */
const maxDiffCharacters = 200_000;

export function createDiffContent(path: string, oldText: string | undefined, newText: string): ToolCallContent[] {
  if ((oldText?.length ?? 0) + newText.length > maxDiffCharacters) {
    return [createTextContent(`${path}: ${oldText?.length ?? 0} characters become ${newText.length}`)];
  }
  return [{ type: "diff", path, newText, ...(oldText !== undefined && { oldText }) }];
}
