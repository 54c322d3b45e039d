import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import type { SessionUpdate, ToolCallContent, ToolCallLocation, ToolKind } from "@agentclientprotocol/sdk";
import type { Workspace } from "../workspace/index.ts";
import type { PermittedAction, Permissions } from "./permissions.ts";

/** The part of a session that a tool call uses. */
interface CallingSession {
  readonly workspace: Workspace;
  readonly permissions: Permissions;
  show(update: SessionUpdate): Promise<void>;
  cancel(): unknown;
}

export interface ToolCallView {
  readonly title: string;
  readonly kind: ToolKind;
  /**
   * Paths may be relative to the workspace; the client gets absolute paths, as the protocol
   * requires.
   */
  readonly locations?: ToolCallLocation[];
  readonly rawInput?: unknown;
}

/** The protocol requires optional fields to be absent rather than undefined. */
type ToolCallChange = Partial<
  Omit<Extract<SessionUpdate, { sessionUpdate: "tool_call_update" }>, "sessionUpdate" | "toolCallId">
>;

export const createTextContent = (value: string): ToolCallContent => ({
  type: "content",
  content: { type: "text", text: value },
});

/** Reports a tool call to the client: pending, in progress, and completed or failed. */
export class ToolCall {
  readonly id: string = randomUUID();
  readonly session: CallingSession;
  readonly signal: AbortSignal;
  #view: ToolCallView;
  #isEnded = false;

  constructor(session: CallingSession, view: ToolCallView, signal: AbortSignal) {
    this.session = session;
    this.signal = signal;
    this.#view = this.#toAbsolute(view);
  }

  async open(): Promise<void> {
    await this.session.show({ sessionUpdate: "tool_call", toolCallId: this.id, status: "pending", ...this.#view });
  }

  /** Adds details to a call that was opened before all of them were known. */
  async describe(view: ToolCallView): Promise<void> {
    this.#view = this.#toAbsolute(view);
    await this.#sendChange({ ...this.#view });
  }

  async start(): Promise<void> {
    await this.#sendChange({ status: "in_progress" });
  }

  async show(content: ToolCallContent[]): Promise<void> {
    if (!this.#isEnded) await this.#sendChange({ content });
  }

  /** Returns whether the user allows the call. A cancelled question cancels the turn. */
  async requestPermission(what: PermittedAction, content: ToolCallContent[] = []): Promise<boolean> {
    const { title, kind, locations, rawInput } = this.#view;
    const toolCall = {
      toolCallId: this.id,
      title,
      kind,
      status: "pending" as const,
      content,
      rawInput,
      ...(locations && { locations }),
    };
    const answer = await this.session.permissions.requestPermission(what, toolCall, this.signal);
    if (answer === "cancelled") void this.session.cancel();
    this.signal.throwIfAborted();
    if (answer === "allowed") await this.start();
    return answer === "allowed";
  }

  async complete(content?: ToolCallContent[], rawOutput?: unknown): Promise<void> {
    await this.#finish("completed", content, rawOutput);
  }

  async fail(content?: ToolCallContent[], rawOutput?: unknown): Promise<void> {
    await this.#finish("failed", content, rawOutput);
  }

  #toAbsolute(view: ToolCallView): ToolCallView {
    const { root } = this.session.workspace;
    return view.locations
      ? { ...view, locations: view.locations.map((place) => ({ ...place, path: resolve(root, place.path) })) }
      : view;
  }

  async #finish(
    status: "completed" | "failed",
    content: ToolCallContent[] | undefined,
    rawOutput: unknown,
  ): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.#sendChange({ status, ...(content && { content }), ...(rawOutput !== undefined && { rawOutput }) });
  }

  async #sendChange(change: ToolCallChange): Promise<void> {
    await this.session.show({ sessionUpdate: "tool_call_update", toolCallId: this.id, ...change });
  }
}
