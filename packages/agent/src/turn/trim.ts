import type { ModelMessage, ToolModelMessage } from "ai";

/** Trimmed well below the limit at once, so that the beginning stays the same for a while and can be cached. */
const TRIM_TO = 0.7;
/** The newest messages stay whole: they are what the model is working with. */
const KEPT_MESSAGES = 6;
const WORTH_TRIMMING_CHARACTERS = 500;

const size = (message: ModelMessage): number => JSON.stringify(message.content).length;

function withoutOutput(message: ToolModelMessage): ToolModelMessage {
  const content = message.content.map((part) => {
    if (part.type !== "tool-result" || JSON.stringify(part.output).length < WORTH_TRIMMING_CHARACTERS) return part;
    const value = `[${JSON.stringify(part.output).length} characters left out to save room: do it again if you need them]`;
    return { ...part, output: { type: "text" as const, value } };
  });
  return { ...message, content };
}

/** Leaves out the oldest tool results, in place, once all messages together are longer than `maxCharacters`. */
export function trim(messages: ModelMessage[], maxCharacters: number): void {
  let total = messages.reduce((sum, message) => sum + size(message), 0);
  if (total <= maxCharacters) return;
  for (const [index, message] of messages.slice(0, -KEPT_MESSAGES).entries()) {
    if (message.role !== "tool") continue;
    const trimmed = withoutOutput(message);
    messages[index] = trimmed;
    total -= size(message) - size(trimmed);
    if (total <= maxCharacters * TRIM_TO) return;
  }
}
