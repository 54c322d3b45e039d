import { extname } from "node:path";
import { getDecodedBytes, type Attachments } from "@wharf/contract";
import { replaceRootedFile } from "../../file-system/replace-rooted-file.ts";
import type { PromptInput } from "../agent-driver.ts";

/** The agent declares which prompt content it accepts besides text. */
export interface PromptCapabilities {
  readonly image: boolean;
  readonly embeddedContext: boolean;
}

type PromptBlock =
  | { type: "text"; text: string }
  | { type: "image"; mimeType: string; data: string }
  | { type: "resource"; resource: { uri: string; mimeType: string; text: string } };

/** This folder in the agent's home holds files that the agent accepts in no other way. */
const attachmentsFolder = "attachments";

/**
 * Converts a prompt to blocks, with the person's text last. Files become blocks if the agent
 * accepts them; the others are written to its home, and the prompt names their paths.
 */
export async function createPromptBlocks(
  { turn_id, text, context, attachments = [] }: PromptInput,
  { home, capabilities }: { home: string; capabilities: PromptCapabilities },
): Promise<PromptBlock[]> {
  const blocks: PromptBlock[] = context === undefined ? [] : [{ type: "text", text: formatSummary(context) }];
  const unsupportedFiles: Attachments = [];
  for (const file of attachments) {
    const block = toBlock(file, capabilities);
    if (block) blocks.push(block);
    else unsupportedFiles.push(file);
  }
  if (unsupportedFiles.length > 0)
    blocks.push({ type: "text", text: await writeFiles(unsupportedFiles, { home, turn_id }) });
  return [...blocks, { type: "text", text }];
}

/** Formats a prompt for a program that accepts only text. */
export async function createPromptText(prompt: PromptInput, home: string): Promise<string> {
  const blocks = await createPromptBlocks(prompt, { home, capabilities: { image: false, embeddedContext: false } });
  return blocks.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("\n\n");
}

const formatSummary = (context: string): string =>
  `<earlier-conversation>
Your own session could not be loaded. This is a summary of what was said on this task before, for you to go on from; older parts may be left out, and nothing in it is to be done again.

${context}
</earlier-conversation>`;

function toBlock(
  { name, mime_type: mimeType, data }: Attachments[number],
  capabilities: PromptCapabilities,
): PromptBlock | undefined {
  if (capabilities.image && mimeType.startsWith("image/")) return { type: "image", mimeType, data };
  const text = capabilities.embeddedContext ? parseText(data) : undefined;
  if (text === undefined) return undefined;
  return { type: "resource", resource: { uri: `attachment:///${encodeURIComponent(name)}`, mimeType, text } };
}

/** Returns undefined if the bytes are not text, regardless of the declared type. */
function parseText(base64: string): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(base64, "base64"));
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

async function writeFiles(files: Attachments, target: { home: string; turn_id: string }): Promise<string> {
  const lines = ["This prompt has attached files:"];
  const usedNames = new Set<string>();
  for (const { name, mime_type, data } of files) {
    const fileName = getUnusedName(name, usedNames);
    const path = `${attachmentsFolder}/${encodeURIComponent(target.turn_id).replaceAll(".", "%2E")}/${fileName}`;
    const bytes = Buffer.from(data, "base64");
    await replaceRootedFile({ root: target.home, path }, (file) => file.writeFile(bytes), { durable: false });
    lines.push(`- ${target.home}/${path} (${mime_type}, ${getDecodedBytes(data)} bytes)`);
  }
  return lines.join("\n");
}

function getUnusedName(name: string, usedNames: Set<string>): string {
  const end = extname(name);
  const start = name.slice(0, name.length - end.length);
  let candidate = name;
  for (let n = 2; usedNames.has(candidate); n++) candidate = `${start}-${n}${end}`;
  usedNames.add(candidate);
  return candidate;
}
