import { setTimeout as sleep } from "node:timers/promises";
import type { EventDataByKind } from "@wharf/contract";
import { z } from "zod";
import type { CallOutputs } from "./call-outputs.ts";
import type { Recorder } from "../events/recorder.ts";
import type { ToolCalls } from "../turn/tool-calls.ts";
import { translateUpdate } from "./translate.ts";

/** Updates kept for a session whose id is not yet known, and the characters they may have in all. */
const maxEarly = 100;
const maxEarlyLength = 1024 * 1024;
/** An agent that repeats its session has come to the end when it was quiet for so long; it gets no more than the maximum. */
const replayQuietMs = 100;
const maxReplayMs = 5_000;
/** Complaints about what an agent sends, per agent. */
const maxComplaints = 20;

type TranslatedCall = Extract<NonNullable<ReturnType<typeof translateUpdate>>, { call: unknown }>;

const Notification = z.object({ sessionId: z.string(), update: z.unknown().optional() });
type Notification = z.infer<typeof Notification>;

/**
 * Records the updates of an agent's session. While its id is not known they are kept. While it is loading they repeat
 * what is in the log, and are dropped; so are those that some agents send behind the answer, until the first prompt, but
 * for what can be chosen. Afterwards they are recorded, and those of any other session are not.
 */
export class SessionUpdates {
  #replay: "none" | "loading" | "loaded" = "none";
  #replayedAt = 0;
  /** Told when the agent's options change. */
  onOptions: ((configOptions: unknown) => void) | undefined;
  readonly #recorder: Recorder;
  readonly #toolCalls: ToolCalls;
  readonly #outputs: CallOutputs;
  readonly #complaints = new Set<string>();
  #sessionId: string | undefined;
  #early: Notification[] = [];
  #earlyLength = 0;
  #lastPlan: string | undefined;
  #last: { kind: string; messageId: string | undefined } | undefined;

  constructor({ recorder, toolCalls, outputs }: { recorder: Recorder; toolCalls: ToolCalls; outputs: CallOutputs }) {
    this.#recorder = recorder;
    this.#toolCalls = toolCalls;
    this.#outputs = outputs;
  }

  /** From the request to load a session on; whether that came to something is said with `loaded`. */
  beginReplay(): void {
    this.#replay = "loading";
  }

  endLoading({ loaded }: { loaded: boolean }): void {
    this.#replay = loaded ? "loaded" : "none";
    this.#replayedAt = performance.now();
  }

  /** Called before the first prompt: an agent that repeats the session behind its answer is waited for until it is quiet. */
  async endReplay(): Promise<void> {
    if (this.#replay !== "loaded") return;
    for (const began = performance.now(); performance.now() - began < maxReplayMs;) {
      const quietMs = performance.now() - this.#replayedAt;
      if (quietMs >= replayQuietMs) break;
      await sleep(replayQuietMs - quietMs);
    }
    this.#replay = "none";
  }

  async opened(sessionId: string): Promise<void> {
    this.#sessionId = sessionId;
    const early = this.#early;
    this.#early = [];
    for (const notification of early) await this.#record(notification, sessionId);
  }

  /** Resolves when the journal has taken it. */
  async take(params: unknown): Promise<void> {
    if (this.#replay === "loading") return;
    const notification = Notification.safeParse(params);
    if (!notification.success) return await this.#complain("an update that names no session");
    if (this.#sessionId !== undefined) return await this.#record(notification.data, this.#sessionId);
    this.#earlyLength += JSON.stringify(params).length;
    if (this.#early.length < maxEarly && this.#earlyLength <= maxEarlyLength) this.#early.push(notification.data);
    else await this.#complain("more updates ahead of its session than are kept");
  }

  async #record({ sessionId, update }: Notification, own: string): Promise<void> {
    if (sessionId !== own) return await this.#complain("an update for a session that is not this one");
    const event = translated(update);
    if (event instanceof z.ZodError) {
      const kind = z.object({ sessionUpdate: z.string() }).safeParse(update).data?.sessionUpdate ?? "without a name";
      return await this.#complain(`an update that is not understood (${kind.slice(0, 100)})`);
    }
    if (!event) return;
    if (this.#replay === "loaded" && !isInfo(event)) {
      this.#replayedAt = performance.now();
      return;
    }
    if ("text" in event)
      return await this.#recorder.text({
        ...event.text,
        text: this.#border(event.text.kind, event.messageId) + event.text.text,
      });
    this.#last = undefined;
    if ("call" in event) return await this.#recordCall(event);
    if (event.data.kind === "agent_info" && event.data.update === "config_option_update")
      this.onOptions?.(event.data["configOptions"]);
    await this.#recorder.record(event.data);
  }

  async #recordCall({ call, output, plan }: TranslatedCall): Promise<void> {
    const told = this.#outputs.add(call, output);
    if (told) {
      this.#toolCalls.update(told);
      await this.#recorder.record(told);
    }
    if (plan) await this.#recordPlan(plan);
  }

  /** Every update of a call may repeat the plan that it writes. */
  async #recordPlan(plan: EventDataByKind<"plan">): Promise<void> {
    const text = JSON.stringify(plan);
    if (text === this.#lastPlan) return;
    this.#lastPlan = text;
    await this.#recorder.record(plan);
  }

  /** Chunks are joined in order by whoever reads them, so the border between two messages must be in the text. */
  #border(kind: string, messageId: string | undefined): string {
    const last = this.#last;
    this.#last = { kind, messageId };
    const another =
      last?.kind === kind && last.messageId !== undefined && messageId !== undefined && last.messageId !== messageId;
    return another ? "\n\n" : "";
  }

  async #complain(about: string): Promise<void> {
    if (this.#complaints.has(about) || this.#complaints.size >= maxComplaints) return;
    this.#complaints.add(about);
    await this.#recorder.record({ kind: "notice", message: `The agent sent ${about}; such updates are left out.` });
  }
}

const isInfo = (event: NonNullable<ReturnType<typeof translateUpdate>>): boolean =>
  "data" in event && event.data.kind === "agent_info";

function translated(update: unknown): ReturnType<typeof translateUpdate> | z.ZodError {
  try {
    return translateUpdate(update);
  } catch (error) {
    if (error instanceof z.ZodError) return error;
    throw error;
  }
}
