import type { ContentBlock } from "@agentclientprotocol/sdk";

function formatBlock(block: ContentBlock): string {
  if (block.type === "text") return block.text;
  if (block.type === "resource_link") return `[${block.title ?? block.name}](${block.uri})`;
  if (block.type !== "resource") return `[${block.type} omitted: this agent reads only text]`;
  const { resource } = block;
  return "text" in resource
    ? `<file uri="${resource.uri}">\n${resource.text}\n</file>`
    : `[binary ${resource.uri} omitted]`;
}

/** Formats a prompt as plain text: attached files are quoted, and non-text content is named. */
export const formatPrompt = (prompt: readonly ContentBlock[]): string => prompt.map(formatBlock).join("\n");
