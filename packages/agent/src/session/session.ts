import type { SessionUpdate } from "@agentclientprotocol/sdk";
import { WharfError } from "@wharf/contract";
import type { Client } from "../client.ts";
import { Workspace } from "../workspace/index.ts";
import type { History } from "./history.ts";
import { Permissions } from "./permissions.ts";
import { ToolCall, type ToolCallView } from "./tool-call.ts";
import { Transcript } from "./transcript.ts";

/** Holds a conversation with one client about one folder, with at most one turn at a time. */
export class Session {
  readonly id: string;
  readonly client: Client;
  readonly history: History;
  readonly workspace: Workspace;
  readonly permissions: Permissions;
  readonly #transcript: Transcript;
  #turn: { controller: AbortController; ended: Promise<void> } | undefined;

  constructor(id: string, parts: { cwd: string; client: Client; history: History }) {
    this.id = id;
    this.client = parts.client;
    this.history = parts.history;
    this.workspace = new Workspace(parts.cwd, parts.client);
    this.permissions = new Permissions(parts.client, parts.history);
    this.#transcript = new Transcript(parts.history);
  }

  /** Sends the client all previous updates again. */
  async replay(): Promise<void> {
    for (const record of this.history.records) {
      if (record.kind === "update") await this.client.sendUpdate(record.update);
    }
  }

  /** Sends an update to the client and stores it. */
  async show(update: SessionUpdate): Promise<void> {
    this.#transcript.add(update);
    await this.client.sendUpdate(update);
  }

  sendMessage(text: string): Promise<void> {
    return this.show({ sessionUpdate: "agent_message_chunk", content: { type: "text", text } });
  }

  sendThought(text: string): Promise<void> {
    return this.show({ sessionUpdate: "agent_thought_chunk", content: { type: "text", text } });
  }

  async createToolCall(view: ToolCallView, signal: AbortSignal): Promise<ToolCall> {
    const call = new ToolCall(this, view, signal);
    await call.open();
    return call;
  }

  /**
   * Runs one turn; a second concurrent turn is refused. `cancel` aborts the signal that `turn`
   * receives.
   */
  async runTurn<T>(prompt: string, turn: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#turn) throw new WharfError("agent_busy", {});
    const controller = new AbortController();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#turn = { controller, ended };
    this.#transcript.add({ sessionUpdate: "user_message_chunk", content: { type: "text", text: prompt } });
    try {
      return await turn(controller.signal);
    } finally {
      this.#transcript.flush();
      this.#turn = undefined;
      resolve();
    }
  }

  /** Cancels the open turn, and waits until it has ended. */
  async cancel(): Promise<void> {
    const turn = this.#turn;
    turn?.controller.abort(new DOMException("The turn was cancelled.", "AbortError"));
    await turn?.ended;
  }
}
