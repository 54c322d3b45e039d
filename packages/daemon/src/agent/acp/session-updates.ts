import { setTimeout as sleep } from "node:timers/promises";
import type { EventDataByKind } from "@wharf/contract";
import { z } from "zod";
import type { Recorder } from "../events/recorder.ts";
import type { ToolCalls } from "../turn/tool-calls.ts";
import type { CallOutputs } from "./call-outputs.ts";
import { translateUpdate } from "./translate.ts";

/**
 * Updates wait while the id of their session is unknown, up to this many and this many characters
 * in total.
 */
const maxEarly = 100;
const maxEarlyLength = 1024 * 1024;
/**
 * A session's replay is complete once the agent was quiet for `replayQuietMs`; the wait for that
 * ends after `maxReplayMs`.
 */
const replayQuietMs = 100;
const maxReplayMs = 5_000;
/** An agent causes at most this many complaints about its messages. */
const maxComplaints = 20;

type TranslatedCall = Extract<NonNullable<ReturnType<typeof translateUpdate>>, { call: unknown }>;

const Notification = z.object({ sessionId: z.string(), update: z.unknown().optional() });
type Notification = z.infer<typeof Notification>;

/**
 * Records the updates of an agent's session. Updates wait while the session's id is unknown. While
 * the session is loading, updates repeat the log and are dropped. Some agents send more of these
 * after their answer; they are dropped until the first prompt, except for the available choices.
 * From then on the session's updates are recorded, and updates of any other session are not.
 */
export class SessionUpdates {
  #replay: "none" | "loading" | "loaded" = "none";
  #replayedAt = 0;
  /** Called when the agent's options change. */
  onOptions: ((configOptions: unknown) => void) | undefined;
  readonly #recorder: Recorder;
  readonly #toolCalls: ToolCalls;
  readonly #outputs: CallOutputs;
  readonly #complaints = new Set<string>();
  #sessionId: string | undefined;
  #earlyUpdates: Notification[] = [];
  #earlyLength = 0;
  #lastPlan: string | undefined;
  #last: { kind: string; messageId: string | undefined } | undefined;

  constructor({ recorder, toolCalls, outputs }: { recorder: Recorder; toolCalls: ToolCalls; outputs: CallOutputs }) {
    this.#recorder = recorder;
    this.#toolCalls = toolCalls;
    this.#outputs = outputs;
  }

  /**
   * Starts the replay when a load is requested; `endLoading` reports whether the session was
   * loaded.
   */
  beginReplay(): void {
    this.#replay = "loading";
  }

  endLoading({ loaded }: { loaded: boolean }): void {
    this.#replay = loaded ? "loaded" : "none";
    this.#replayedAt = performance.now();
  }

  /**
   * Waits, before the first prompt, until an agent that replays the session after its answer is
   * quiet.
   */
  async endReplay(): Promise<void> {
    if (this.#replay !== "loaded") return;
    for (const startedAt = performance.now(); performance.now() - startedAt < maxReplayMs;) {
      const quietMs = performance.now() - this.#replayedAt;
      if (quietMs >= replayQuietMs) break;
      await sleep(replayQuietMs - quietMs);
    }
    this.#replay = "none";
  }

  async setSession(sessionId: string): Promise<void> {
    this.#sessionId = sessionId;
    const earlyUpdates = this.#earlyUpdates;
    this.#earlyUpdates = [];
    for (const notification of earlyUpdates) await this.#record(notification, sessionId);
  }

  /** Resolves when the update is in the journal. */
  async take(params: unknown): Promise<void> {
    if (this.#replay === "loading") return;
    const notification = Notification.safeParse(params);
    if (!notification.success) return await this.#recordIgnored("an update without a session id");
    if (this.#sessionId !== undefined) return await this.#record(notification.data, this.#sessionId);
    this.#earlyLength += JSON.stringify(params).length;
    if (this.#earlyUpdates.length < maxEarly && this.#earlyLength <= maxEarlyLength)
      this.#earlyUpdates.push(notification.data);
    else await this.#recordIgnored("too many updates before its session was open");
  }

  async #record({ sessionId, update }: Notification, ownSessionId: string): Promise<void> {
    if (sessionId !== ownSessionId) return await this.#recordIgnored("an update for another session");
    const event = tryTranslate(update);
    if (event instanceof z.ZodError) {
      const kind = z.object({ sessionUpdate: z.string() }).safeParse(update).data?.sessionUpdate ?? "without a name";
      return await this.#recordIgnored(`an unknown or invalid update (${kind.slice(0, 100)})`);
    }
    if (!event) return;
    if (this.#replay === "loaded" && !isInfo(event)) {
      this.#replayedAt = performance.now();
      return;
    }
    if ("text" in event)
      return await this.#recorder.recordText({
        ...event.text,
        text: this.#getSeparator(event.text.kind, event.messageId) + event.text.text,
      });
    this.#last = undefined;
    if ("call" in event) return await this.#recordCall(event);
    if (event.data.kind === "agent_info" && event.data.update === "config_option_update")
      this.onOptions?.(event.data["configOptions"]);
    await this.#recorder.record(event.data);
  }

  async #recordCall({ call, output, plan }: TranslatedCall): Promise<void> {
    const event = this.#outputs.add(call, output);
    if (event) {
      this.#toolCalls.update(event);
      await this.#recorder.record(event);
    }
    if (plan) await this.#recordPlan(plan);
  }

  /** Skips repeats: every update of a call may repeat the plan that it writes. */
  async #recordPlan(plan: EventDataByKind<"plan">): Promise<void> {
    const text = JSON.stringify(plan);
    if (text === this.#lastPlan) return;
    this.#lastPlan = text;
    await this.#recorder.record(plan);
  }

  /**
   * Returns the text between two messages: readers join chunks in order, so the text itself must
   * separate them.
   */
  #getSeparator(kind: string, messageId: string | undefined): string {
    const last = this.#last;
    this.#last = { kind, messageId };
    const isNewMessage =
      last?.kind === kind && last.messageId !== undefined && messageId !== undefined && last.messageId !== messageId;
    return isNewMessage ? "\n\n" : "";
  }

  async #recordIgnored(about: string): Promise<void> {
    if (this.#complaints.has(about) || this.#complaints.size >= maxComplaints) return;
    this.#complaints.add(about);
    await this.#recorder.record({ kind: "notice", message: `The agent sent ${about}; Wharf ignores such updates.` });
  }
}

const isInfo = (event: NonNullable<ReturnType<typeof translateUpdate>>): boolean =>
  "data" in event && event.data.kind === "agent_info";

function tryTranslate(update: unknown): ReturnType<typeof translateUpdate> | z.ZodError {
  try {
    return translateUpdate(update);
  } catch (error) {
    if (error instanceof z.ZodError) return error;
    throw error;
  }
}
