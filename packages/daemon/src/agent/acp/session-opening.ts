import { methods, RequestError, type McpServer } from "@agentclientprotocol/sdk";
import type { z } from "zod";
import { type AgentCapabilities, NewSession, Opened } from "./schemas.ts";
import type { SessionUpdates } from "./session-updates.ts";

export const authRequired = -32000;

type Ask = <S extends z.ZodType>(schema: S, method: string, params: unknown) => Promise<z.output<S>>;

interface Place {
  readonly cwd: string;
  readonly mcpServers: readonly McpServer[];
}

export interface OpenedSession {
  readonly id: string;
  readonly opened: z.infer<typeof Opened>;
  /** The agent reopened the earlier session. */
  readonly loaded: boolean;
}

/**
 * Opens an agent's session: resumes or loads the earlier one, depending on the agent, or starts a
 * new one.
 */
export class SessionOpening {
  readonly #ask: Ask;
  readonly #updates: SessionUpdates;
  #isReopening = false;

  constructor({ ask, updates }: { ask: Ask; updates: SessionUpdates }) {
    this.#ask = ask;
    this.#updates = updates;
  }

  /** The agent was asked for an earlier session and has not answered yet. */
  get isReopening(): boolean {
    return this.#isReopening;
  }

  async open(place: Place, can: AgentCapabilities, earlierId: string | undefined): Promise<OpenedSession> {
    if (earlierId !== undefined) {
      const earlier = { sessionId: earlierId, ...place };
      const reopened =
        (can?.sessionCapabilities?.resume && (await this.#reopen(methods.agent.session.resume, earlier))) ??
        (can?.loadSession ? await this.#load(earlier) : undefined);
      if (reopened) return { id: earlierId, opened: reopened, loaded: true };
    }
    const opened = await this.#ask(NewSession, methods.agent.session.new, place);
    return { id: opened.sessionId, opened, loaded: false };
  }

  /**
   * Loads the earlier session: an agent replays a session that it loads, but not one that it
   * resumes.
   */
  async #load(earlier: Place & { readonly sessionId: string }): Promise<z.infer<typeof Opened> | undefined> {
    this.#updates.beginReplay();
    const loaded = await this.#reopen(methods.agent.session.load, earlier);
    this.#updates.endLoading({ loaded: loaded !== undefined });
    return loaded;
  }

  /** Returns undefined if the agent no longer knows the session. */
  async #reopen(
    method: string,
    earlier: Place & { readonly sessionId: string },
  ): Promise<z.infer<typeof Opened> | undefined> {
    this.#isReopening = true;
    try {
      const answer = Opened.nullish().transform((value) => value ?? {});
      const reopened = await this.#ask(answer, method, earlier);
      this.#isReopening = false;
      return reopened;
    } catch (error) {
      if (!(error instanceof RequestError) || error.code === authRequired) throw error;
      this.#isReopening = false;
      return undefined;
    }
  }
}
