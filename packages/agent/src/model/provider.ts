import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModel } from "ai";
import type { ModelSettings, Provider } from "../settings.ts";

/**
 * Lists the context size in tokens by provider. A provider's models differ, so this is the current
 * minimum.
 */
export const contextTokens: Record<Provider, number> = { gemini: 1_000_000, anthropic: 200_000, openai: 128_000 };

/** Creates the model behind the gateway: the token replaces the provider's own key. */
export function createLanguageModel({ provider, model, baseUrl, token }: ModelSettings): LanguageModel {
  if (provider === "gemini") return createGoogleGenerativeAI({ baseURL: `${baseUrl}/v1beta`, apiKey: token })(model);
  if (provider === "anthropic") return createAnthropic({ baseURL: `${baseUrl}/v1`, apiKey: token })(model);
  return createOpenAICompatible({ name: "openai", baseURL: `${baseUrl}/v1`, apiKey: token, includeUsage: true })(model);
}
