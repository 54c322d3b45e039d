import { setTimeout as sleep } from "node:timers/promises";
import type { PromptResponse, StopReason } from "@agentclientprotocol/sdk";
import { WharfError } from "@wharf/contract";
import type { FinishReason } from "ai";
import { createInstructions } from "../instructions.ts";
import { contextTokens, isCut, createLanguageModel, runStep, type Step } from "../model/index.ts";
import type { Session } from "../session/index.ts";
import type { ModelSettings } from "../settings.ts";
import { tools } from "../tools/index.ts";
import { Conversation } from "./conversation.ts";
import { StepCalls } from "./step-calls.ts";
import { Usage } from "./usage.ts";

const maxSteps = 100;
/**
 * An answer that is cut before any of it was shown is requested again, up to this many attempts.
 */
const maxTries = 3;
/** The second attempt waits this long; the third waits twice as long. */
const retryMs = 500;
const charactersPerToken = 4;
/**
 * The conversation may fill this part of the context: instructions, tools and the answer need room
 * too.
 */
const conversationShare = 0.7;

const stopReasons: Partial<Record<FinishReason, StopReason>> = {
  stop: "end_turn",
  "tool-calls": "end_turn",
  length: "max_tokens",
  "content-filter": "refusal",
};

function toStopReason({ finish, rawFinish }: Step, route: string): StopReason {
  const reason = stopReasons[finish];
  if (reason) return reason;
  throw new WharfError("model_unreachable", { route, reason: `it stopped with '${rawFinish}'` });
}

/**
 * A turn asks the model, runs its tool calls and asks again with their results, until the model
 * calls no tool. A turn ends when the model stops; when it runs out of tokens or refuses; after too
 * many steps; when the user cancels; or when the model fails, which is the turn's error. In each
 * case every tool call in the conversation has a result.
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
      const stopReason = await this.#runSteps();
      return { stopReason, _meta: { usage: this.#usage.total } };
    } catch (error) {
      if (!this.#signal.aborted) throw error;
      return { stopReason: "cancelled", _meta: { usage: this.#usage.total } };
    } finally {
      this.#conversation.closeCalls("The user ended the turn before this call ran.");
    }
  }

  async #runSteps(): Promise<StopReason> {
    const instructions = await createInstructions(this.#session.workspace);
    for (let count = 0; count < maxSteps; count += 1) {
      const calls = new StepCalls(this.#session, tools, this.#signal);
      try {
        const step = await this.#requestStep(instructions, calls);
        for (const message of step.messages) this.#conversation.add(message);
        await this.#session.show(this.#usage.add(step.usage));
        // An answer that ran out of tokens may contain half a call.
        if (step.calls.length === 0 || step.finish === "length") return toStopReason(step, this.#settings.provider);
        for (const call of step.calls) this.#conversation.addResult(call, await calls.run(call));
      } finally {
        await calls.abandon("This call did not run.");
      }
    }
    return "max_turn_requests";
  }

  /**
   * Retries until an answer is complete, unless a part was already shown: a retry would show it
   * twice.
   */
  async #requestStep(instructions: string, calls: StepCalls): Promise<Step> {
    for (let tries = 1; ; tries += 1) {
      const shownAnswer = { isAny: false, text: "" };
      try {
        return await this.#requestStepOnce(instructions, calls, shownAnswer);
      } catch (error) {
        // The model must know the visible part of a cancelled answer. A failed answer leaves no
        // trace.
        if (this.#signal.aborted && shownAnswer.text)
          this.#conversation.add({ role: "assistant", content: `${shownAnswer.text} [stopped here by the user]` });
        if (!isCut(error) || shownAnswer.isAny || tries === maxTries) throw error;
        await sleep(retryMs * tries, undefined, { signal: this.#signal });
      }
    }
  }

  #requestStepOnce(
    instructions: string,
    calls: StepCalls,
    shownAnswer: { isAny: boolean; text: string },
  ): Promise<Step> {
    const { provider } = this.#settings;
    return runStep(
      {
        model: createLanguageModel(this.#settings),
        route: provider,
        instructions,
        messages: this.#conversation.getMessages(contextTokens[provider] * conversationShare * charactersPerToken),
        tools,
        signal: this.#signal,
      },
      {
        onText: (text) => {
          shownAnswer.isAny ||= text !== "";
          shownAnswer.text += text;
          return this.#session.sendMessage(text);
        },
        onThought: (text) => {
          shownAnswer.isAny ||= text !== "";
          return this.#session.sendThought(text);
        },
        onCallBegin: (id, toolName) => {
          shownAnswer.isAny = true;
          return calls.beginCall(id, toolName);
        },
      },
    );
  }
}
