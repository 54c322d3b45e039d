import { extname } from "node:path";
import { bytesOf, type Attachments } from "@wharf/contract";
import { replaceBeneath } from "../support/replace-beneath.ts";
import type { PromptInput } from "./agent-driver.ts";

/** What an agent says it takes in a prompt besides text. */
export interface PromptCapabilities {
  readonly image: boolean;
  readonly embeddedContext: boolean;
}

type Block =
  | { type: "text"; text: string }
  | { type: "image"; mimeType: string; data: string }
  | { type: "resource"; resource: { uri: string; mimeType: string; text: string } };

/** Folder beneath the agent's home for files that it takes in no other way. */
const folder = "attachments";

/**
 * A prompt as blocks, the person's words last. Files go into the prompt where the agent takes them there; the others are
 * written to its home, and the prompt says where.
 */
export async function promptBlocks(
  { turn_id, text, context, attachments = [] }: PromptInput,
  { home, can }: { home: string; can: PromptCapabilities },
): Promise<Block[]> {
  const blocks: Block[] = context === undefined ? [] : [{ type: "text", text: summary(context) }];
  const rest: Attachments = [];
  for (const file of attachments) {
    const block = blockOf(file, can);
    if (block) blocks.push(block);
    else rest.push(file);
  }
  if (rest.length > 0) blocks.push({ type: "text", text: await written(rest, { home, turn_id }) });
  return [...blocks, { type: "text", text }];
}

/** The same for a program that takes nothing but text. */
export async function promptText(prompt: PromptInput, home: string): Promise<string> {
  const blocks = await promptBlocks(prompt, { home, can: { image: false, embeddedContext: false } });
  return blocks.flatMap((block) => (block.type === "text" ? [block.text] : [])).join("\n\n");
}

const summary = (context: string): string =>
  `<earlier-conversation>
Your own session could not be loaded. This is a summary of what was said on this task before, for you to go on from; older parts may be left out, and nothing in it is to be done again.

${context}
</earlier-conversation>`;

function blockOf({ name, mime_type: mimeType, data }: Attachments[number], can: PromptCapabilities): Block | undefined {
  if (can.image && mimeType.startsWith("image/")) return { type: "image", mimeType, data };
  const text = can.embeddedContext ? textOf(data) : undefined;
  if (text === undefined) return undefined;
  return { type: "resource", resource: { uri: `attachment:///${encodeURIComponent(name)}`, mimeType, text } };
}

/** Undefined where it is not text, whatever its type says. */
function textOf(base64: string): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(base64, "base64"));
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

async function written(files: Attachments, at: { home: string; turn_id: string }): Promise<string> {
  const lines = ["Files came with this prompt. They are here:"];
  const taken = new Set<string>();
  for (const { name, mime_type, data } of files) {
    const own = unusedName(name, taken);
    const path = `${folder}/${encodeURIComponent(at.turn_id).replaceAll(".", "%2E")}/${own}`;
    const bytes = Buffer.from(data, "base64");
    await replaceBeneath({ root: at.home, path }, (file) => file.writeFile(bytes), { durable: false });
    lines.push(`- ${at.home}/${path} (${mime_type}, ${bytesOf(data)} bytes)`);
  }
  return lines.join("\n");
}

function unusedName(name: string, taken: Set<string>): string {
  const end = extname(name);
  const start = name.slice(0, name.length - end.length);
  let own = name;
  for (let n = 2; taken.has(own); n++) own = `${start}-${n}${end}`;
  taken.add(own);
  return own;
}
