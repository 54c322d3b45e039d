/** What the agent does with one prompt. */
import type { PromptResponse } from "@agentclientprotocol/sdk";
import type { Session } from "../session/index.ts";
import type { ModelSettings } from "../settings.ts";
import { Conversation } from "./conversation.ts";
import { Turn } from "./turn.ts";

const conversations = new WeakMap<Session, Conversation>();

function conversationOf(session: Session): Conversation {
  const known = conversations.get(session) ?? new Conversation(session.history);
  conversations.set(session, known);
  return known;
}

export function runTurn(
  session: Session,
  prompt: string,
  options: { settings: ModelSettings; signal: AbortSignal },
): Promise<PromptResponse> {
  return new Turn(session, { conversation: conversationOf(session), ...options }).run(prompt);
}
