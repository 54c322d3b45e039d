import type { ModelRoute } from "../../context.ts";
import { anthropicFormat } from "./anthropic-format.ts";
import { geminiFormat } from "./gemini-format.ts";
import { openaiFormat } from "./openai-format.ts";
import type { UsageFormat } from "./usage-format.ts";

export const usageFormats: { readonly [Api in ModelRoute["api"]]: UsageFormat } = {
  gemini: geminiFormat,
  anthropic: anthropicFormat,
  openai: openaiFormat,
};
