import { setTimeout as sleep } from "node:timers/promises";
import type { PromptResponse, StopReason } from "@agentclientprotocol/sdk";
import { WharfError } from "@wharf/contract";
import type { FinishReason } from "ai";
import { instructionsFor } from "../instructions.ts";
import { contextTokens, isCut, languageModel, runStep, type Step } from "../model/index.ts";
import type { Session } from "../session/index.ts";
import type { ModelSettings } from "../settings.ts";
import { tools } from "../tools/index.ts";
import { StepCalls } from "./calls.ts";
import { Conversation } from "./conversation.ts";
import { Usage } from "./usage.ts";

const MAX_STEPS = 100;
/** An answer that is cut before anything of it was shown is asked for again, so often in all. */
const MAX_TRIES = 3;
/** Before the second try; twice as long before the third. */
const RETRY_MS = 500;
const CHARACTERS_PER_TOKEN = 4;
/** Part of the context that the conversation may fill: instructions, tools and the answer need room too. */
const CONVERSATION_SHARE = 0.7;

const stopReasons: Partial<Record<FinishReason, StopReason>> = {
  stop: "end_turn",
  "tool-calls": "end_turn",
  length: "max_tokens",
  "content-filter": "refusal",
};

function stopReason({ finish, rawFinish }: Step, route: string): StopReason {
  const reason = stopReasons[finish];
  if (reason) return reason;
  throw new WharfError("model_unreachable", { route, reason: `it stopped with '${rawFinish}'` });
}

/**
 * A turn: the model is asked, its tool calls are run, it is asked again with their results, until it calls none.
 * Ways to leave: the model stops by itself; it runs out of tokens or refuses; too many steps; the person cancels; the
 * model fails, which is the turn's error. On each way every tool call in the conversation has a result.
 */
export class Turn {
  readonly #session: Session;
  readonly #conversation: Conversation;
  readonly #settings: ModelSettings;
  readonly #signal: AbortSignal;
  readonly #usage: Usage;

  constructor(session: Session, parts: { conversation: Conversation; settings: ModelSettings; signal: AbortSignal }) {
    this.#session = session;
    this.#conversation = parts.conversation;
    this.#settings = parts.settings;
    this.#signal = parts.signal;
    this.#usage = new Usage(contextTokens[parts.settings.provider]);
  }

  async run(prompt: string): Promise<PromptResponse> {
    this.#conversation.add({ role: "user", content: prompt });
    try {
      const stopReason = await this.#steps();
      return { stopReason, _meta: { usage: this.#usage.total } };
    } catch (error) {
      if (!this.#signal.aborted) throw error;
      return { stopReason: "cancelled", _meta: { usage: this.#usage.total } };
    } finally {
      this.#conversation.closeCalls("The person ended the turn before this was done.");
    }
  }

  async #steps(): Promise<StopReason> {
    const instructions = await instructionsFor(this.#session.workspace);
    for (let count = 0; count < MAX_STEPS; count += 1) {
      const calls = new StepCalls(this.#session, tools, this.#signal);
      try {
        const step = await this.#ask(instructions, calls);
        for (const message of step.messages) this.#conversation.add(message);
        await this.#session.show(this.#usage.add(step.usage));
        // An answer that ran out of tokens may hold half a call.
        if (step.calls.length === 0 || step.finish === "length") return stopReason(step, this.#settings.provider);
        for (const call of step.calls) this.#conversation.answer(call, await calls.run(call));
      } finally {
        await calls.abandon("This was not done.");
      }
    }
    return "max_turn_requests";
  }

  /** Asks until an answer is whole, unless a part of one was shown: said twice, it would be shown twice. */
  async #ask(instructions: string, calls: StepCalls): Promise<Step> {
    for (let tries = 1; ; tries += 1) {
      const shown = { isAny: false, text: "" };
      try {
        return await this.#askOnce(instructions, calls, shown);
      } catch (error) {
        // What the person saw of a cancelled answer, the model should know of too. A failed answer is as if never given.
        if (this.#signal.aborted && shown.text)
          this.#conversation.add({ role: "assistant", content: `${shown.text} [ended here by the person]` });
        if (!isCut(error) || shown.isAny || tries === MAX_TRIES) throw error;
        await sleep(RETRY_MS * tries, undefined, { signal: this.#signal });
      }
    }
  }

  #askOnce(instructions: string, calls: StepCalls, shown: { isAny: boolean; text: string }): Promise<Step> {
    const { provider } = this.#settings;
    return runStep(
      {
        model: languageModel(this.#settings),
        route: provider,
        instructions,
        messages: this.#conversation.messages(contextTokens[provider] * CONVERSATION_SHARE * CHARACTERS_PER_TOKEN),
        tools,
        signal: this.#signal,
      },
      {
        text: (text) => {
          shown.isAny ||= text !== "";
          shown.text += text;
          return this.#session.say(text);
        },
        thought: (text) => {
          shown.isAny ||= text !== "";
          return this.#session.think(text);
        },
        callBegins: (id, toolName) => {
          shown.isAny = true;
          return calls.begin(id, toolName);
        },
      },
    );
  }
}
