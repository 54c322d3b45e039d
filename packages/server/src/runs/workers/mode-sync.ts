import { agentApi, RemoteError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import type { Link } from "../../runners/index.ts";
import { schema } from "../../store/index.ts";
import { lockTask } from "../../tasks/index.ts";
import type { RunDeps } from "../deps.ts";
import { type RunLease, lockLeasedRun, type RunRow } from "../lease.ts";

const { tasks } = schema;

/** What can be chosen: where the wish stands, and how the daemon is told. */
const choices = {
  mode: {
    getDesired: (task: AgentPreferences) => task.agent_mode,
    call: (link: Link, mode_id: string, signal: AbortSignal) =>
      link.client.call(agentApi.setMode, { body: { mode_id } }, { signal }),
    none: { agent_mode: null },
  },
  model: {
    getDesired: (task: AgentPreferences) => task.agent_model,
    call: (link: Link, model_id: string, signal: AbortSignal) =>
      link.client.call(agentApi.setModel, { body: { model_id } }, { signal }),
    none: { agent_model: null },
  },
} as const;

interface AgentPreferences {
  readonly agent_mode: string | null;
  readonly agent_model: string | null;
}

/** What an agent is brought to where a person chose nothing. */
type DefaultChoices = Partial<Record<keyof typeof choices, string | undefined>>;

/**
 * Brings the agent to the mode and the model that a person chose for the task, or to the mode in which it keeps the task's
 * permission policy. The agent itself keeps neither over a new start, so both are told again before each turn, and at once
 * when the wish changes. A turn is given only to an agent that took both.
 */
export class ModeSync {
  readonly #deps: RunDeps;
  readonly #lease: RunLease;
  readonly #link: Link;
  /** What the agent was told over this wire. */
  readonly #sentChoices = new Map<keyof typeof choices, string | null>();

  #defaults: DefaultChoices = {};
  #syncedAt: number | undefined;

  constructor(deps: RunDeps, lease: RunLease, link: Link) {
    this.#deps = deps;
    this.#lease = lease;
    this.#link = link;
  }

  /** Tells only what is new since it was last told; a wish is written down with a touch of the run. */
  async sync(run: RunRow, signal: AbortSignal): Promise<void> {
    if (run.updated_at.getTime() === this.#syncedAt) return;
    this.#syncedAt = run.updated_at.getTime();
    for (const [what, id] of await this.#getDesiredChoices())
      if (this.#sentChoices.get(what) !== id) await this.#tryChoice(what, id, signal);
  }

  /** Tells all of it, since the agent may have been started again, and fails where the agent does not take it. */
  async applyAll(defaults: DefaultChoices, signal: AbortSignal): Promise<void> {
    this.#defaults = defaults;
    for (const [what, id] of await this.#getDesiredChoices()) await this.#setChoice(what, id, signal);
  }

  async #getDesiredChoices(): Promise<[keyof typeof choices, string][]> {
    const [task] = await this.#deps.db
      .select({ agent_mode: tasks.agent_mode, agent_model: tasks.agent_model })
      .from(tasks)
      .where(eq(tasks.id, this.#lease.task_id));
    if (!task) return [];
    return (["mode", "model"] as const).flatMap((what) => {
      const id = choices[what].getDesired(task) ?? this.#defaults[what];
      if (id !== undefined) return [[what, id] as [typeof what, string]];
      this.#sentChoices.delete(what);
      return [];
    });
  }

  async #setChoice(what: keyof typeof choices, id: string, signal: AbortSignal): Promise<void> {
    await choices[what].call(this.#link, id, signal);
    this.#sentChoices.set(what, id);
  }

  /** A choice the agent does not know is told and forgotten; one that comes at the wrong moment is told again later. */
  async #tryChoice(what: keyof typeof choices, id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#setChoice(what, id, signal);
    } catch (error) {
      if (!(error instanceof RemoteError) || this.#link.signal.aborted) throw error;
      if (error.code === "conflict") return void (this.#syncedAt = undefined);
      await this.#deps.log.write(async (writer) => {
        const { task_id, run_id } = this.#lease;
        const task = await lockTask(writer.tx, task_id);
        await lockLeasedRun(writer.tx, this.#lease);
        if (choices[what].getDesired(task) !== id) return;
        await writer.tx.update(tasks).set(choices[what].none).where(eq(tasks.id, task_id));
        const message = `The agent stays with the ${what} it has: ${error.message}`;
        await writer.append(task_id, [{ run_id, data: { kind: "notice", message } }]);
      });
    }
  }
}
