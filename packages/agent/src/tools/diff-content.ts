import type { ToolCallContent } from "@agentclientprotocol/sdk";
import { createTextContent } from "../session/index.ts";

/** A larger diff is only described, because a diff is sent and stored several times. */
const maxDiffCharacters = 200_000;

export function createDiffContent(path: string, oldText: string | undefined, newText: string): ToolCallContent[] {
  if ((oldText?.length ?? 0) + newText.length > maxDiffCharacters) {
    return [createTextContent(`${path}: changed from ${oldText?.length ?? 0} to ${newText.length} characters`)];
  }
  return [{ type: "diff", path, newText, ...(oldText !== undefined && { oldText }) }];
}
