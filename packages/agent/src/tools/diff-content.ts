import type { ToolCallContent } from "@agentclientprotocol/sdk";
import { text } from "../session/index.ts";

/** A diff larger than this is only described: it would be sent and kept several times. */
const MAX_DIFF_CHARACTERS = 200_000;

export function diffContent(path: string, oldText: string | undefined, newText: string): ToolCallContent[] {
  if ((oldText?.length ?? 0) + newText.length > MAX_DIFF_CHARACTERS) {
    return [text(`${path}: ${oldText?.length ?? 0} characters become ${newText.length}`)];
  }
  return [{ type: "diff", path, newText, ...(oldText !== undefined && { oldText }) }];
}
