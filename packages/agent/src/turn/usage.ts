import type { SessionUpdate } from "@agentclientprotocol/sdk";
import type { LanguageModelUsage } from "ai";

interface TokenCounts {
  model_requests: number;
  input_tokens: number;
  output_tokens: number;
}

/** Counts a turn's usage as the model reports it. The gateway counts the billed usage. */
export class Usage {
  readonly #contextTokens: number;
  #total: TokenCounts = { model_requests: 0, input_tokens: 0, output_tokens: 0 };

  constructor(contextTokens: number) {
    this.#contextTokens = contextTokens;
  }

  get total(): Readonly<TokenCounts> {
    return this.#total;
  }

  add({ inputTokens = 0, outputTokens = 0 }: LanguageModelUsage): SessionUpdate {
    this.#total = {
      model_requests: this.#total.model_requests + 1,
      input_tokens: this.#total.input_tokens + inputTokens,
      output_tokens: this.#total.output_tokens + outputTokens,
    };
    return {
      sessionUpdate: "usage_update",
      used: inputTokens + outputTokens,
      size: this.#contextTokens,
      _meta: { usage: this.#total },
    };
  }
}
