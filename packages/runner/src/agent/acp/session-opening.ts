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
  /** Whether it is the earlier one. */
  readonly loaded: boolean;
}

/** Opens an agent's session: resumes the earlier one or loads it, as the agent can, and otherwise begins a new one. */
export class SessionOpening {
  readonly #ask: Ask;
  readonly #updates: SessionUpdates;
  #isReopening = false;

  constructor({ ask, updates }: { ask: Ask; updates: SessionUpdates }) {
    this.#ask = ask;
    this.#updates = updates;
  }

  /** The agent was asked for an earlier session and has not answered. */
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

  /** An agent repeats a session that it loads, and says nothing of one that it resumes. */
  async #load(earlier: Place & { readonly sessionId: string }): Promise<z.infer<typeof Opened> | undefined> {
    this.#updates.beginReplay();
    const loaded = await this.#reopen(methods.agent.session.load, earlier);
    this.#updates.endLoading({ loaded: loaded !== undefined });
    return loaded;
  }

  /** Undefined where the agent does not know the session any more. */
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
