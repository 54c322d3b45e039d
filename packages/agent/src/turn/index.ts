/** This folder handles one prompt. */
import type { PromptResponse } from "@agentclientprotocol/sdk";
import type { Session } from "../session/index.ts";
import type { ModelSettings } from "../settings.ts";
import { Conversation } from "./conversation.ts";
import { Turn } from "./turn.ts";

const conversations = new WeakMap<Session, Conversation>();

function getConversation(session: Session): Conversation {
  const conversation = conversations.get(session) ?? new Conversation(session.history);
  conversations.set(session, conversation);
  return conversation;
}

export function runTurn(
  session: Session,
  prompt: string,
  options: { settings: ModelSettings; signal: AbortSignal },
): Promise<PromptResponse> {
  return new Turn(session, { conversation: getConversation(session), ...options }).run(prompt);
}
