import {
  methods,
  type AgentContext,
  type ClientCapabilities,
  type RequestPermissionRequest,
  type SessionUpdate,
} from "@agentclientprotocol/sdk";

/**
 * Represents the client of one session, which displays updates, answers permission requests, and
 * may own the files.
 */
export class Client {
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly #context: AgentContext;
  readonly #sessionId: string;

  constructor(context: AgentContext, sessionId: string, capabilities: ClientCapabilities) {
    this.#context = context;
    this.#sessionId = sessionId;
    this.canRead = capabilities.fs?.readTextFile === true;
    this.canWrite = capabilities.fs?.writeTextFile === true;
  }

  async sendUpdate(update: SessionUpdate): Promise<void> {
    await this.#context.notify(methods.client.session.update, { sessionId: this.#sessionId, update });
  }

  /** Returns the chosen option, or undefined if the question was cancelled. */
  async requestPermission(
    question: Omit<RequestPermissionRequest, "sessionId">,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { outcome } = await this.#context.request(
      methods.client.session.requestPermission,
      { sessionId: this.#sessionId, ...question },
      { cancellationSignal: signal, stopWaitingOnCancel: true },
    );
    return outcome.outcome === "selected" ? outcome.optionId : undefined;
  }

  async readText(path: string): Promise<string> {
    const { content } = await this.#context.request(methods.client.fs.readTextFile, {
      sessionId: this.#sessionId,
      path,
    });
    return content;
  }

  async writeText(path: string, content: string): Promise<void> {
    await this.#context.request(methods.client.fs.writeTextFile, { sessionId: this.#sessionId, path, content });
  }
}
