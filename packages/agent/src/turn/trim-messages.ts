import type { ModelMessage, ToolModelMessage } from "ai";

/**
 * Trimming goes well below the limit, so that the beginning stays the same for a while and can be
 * cached.
 */
const trimTarget = 0.7;
/** The newest messages stay complete: the model is working with them. */
const retainedMessages = 6;
const minTrimCharacters = 500;

const getSize = (message: ModelMessage): number => JSON.stringify(message.content).length;

function toShortenedMessage(message: ToolModelMessage): ToolModelMessage {
  const content = message.content.map((part) => {
    if (part.type !== "tool-result" || JSON.stringify(part.output).length < minTrimCharacters) return part;
    const value = `[${JSON.stringify(part.output).length} characters omitted to save space: repeat the call if you need them]`;
    return { ...part, output: { type: "text" as const, value } };
  });
  return { ...message, content };
}

/** Drops the oldest tool results, in place, once all messages together exceed `maxCharacters`. */
export function trimMessages(messages: ModelMessage[], maxCharacters: number): void {
  let total = messages.reduce((sum, message) => sum + getSize(message), 0);
  if (total <= maxCharacters) return;
  for (const [index, message] of messages.slice(0, -retainedMessages).entries()) {
    if (message.role !== "tool") continue;
    const trimmed = toShortenedMessage(message);
    messages[index] = trimmed;
    total -= getSize(message) - getSize(trimmed);
    if (total <= maxCharacters * trimTarget) return;
  }
}
