import { agentApi, RemoteError } from "@wharf/contract";
import { eq } from "drizzle-orm";
import type { Link } from "../../../runners/index.ts";
import { schema } from "../../../store/index.ts";
import { lockTask } from "../../../tasks/index.ts";
import type { RunDeps } from "../../shared/deps.ts";
import { type RunLease, lockLeasedRun, type RunRow } from "../../state/lease.ts";

const { tasks } = schema;

/** The agent cannot take a choice now, and may take it later. */
const laterCodes: ReadonlySet<string> = new Set(["agent_not_ready", "agent_paused", "runner_stopping"]);

/** For each choice, where the task stores the desired value and how the daemon receives it. */
const choices = {
  mode: {
    getDesired: (task: AgentPreferences) => task.agent_mode,
    call: (link: Link, modeId: string, signal: AbortSignal) =>
      link.client.call(agentApi.setMode, { body: { mode_id: modeId } }, { signal }),
    none: { agent_mode: null },
  },
  model: {
    getDesired: (task: AgentPreferences) => task.agent_model,
    call: (link: Link, modelId: string, signal: AbortSignal) =>
      link.client.call(agentApi.setModel, { body: { model_id: modelId } }, { signal }),
    none: { agent_model: null },
  },
} as const;

interface AgentPreferences {
  readonly agent_mode: string | null;
  readonly agent_model: string | null;
}

/** The agent's mode or model if a person chose none. */
type DefaultChoices = Partial<Record<keyof typeof choices, string | undefined>>;

/**
 * Sets the agent's mode and model to a person's choice for the task, or to the mode that respects
 * the task's permission policy. The agent keeps neither over a restart, so both are sent again
 * before each turn, and at once when a choice changes. A turn is dispatched only to an agent that
 * accepted both.
 */
export class ModeSync {
  readonly #deps: RunDeps;
  readonly #lease: RunLease;
  readonly #link: Link;
  /** The choices sent to the agent over this link. */
  readonly #sentChoices = new Map<keyof typeof choices, string | null>();

  #defaults: DefaultChoices = {};
  #syncedAt: number | undefined;

  constructor(deps: RunDeps, lease: RunLease, link: Link) {
    this.#deps = deps;
    this.#lease = lease;
    this.#link = link;
  }

  /**
   * Sends only choices that changed since they were last sent; every new choice touches the run's
   * row.
   */
  async sync(run: RunRow, signal: AbortSignal): Promise<void> {
    if (run.updated_at.getTime() === this.#syncedAt) return;
    this.#syncedAt = run.updated_at.getTime();
    for (const [what, id] of await this.#getDesiredChoices())
      if (this.#sentChoices.get(what) !== id) await this.#tryChoice(what, id, signal);
  }

  /** Sends all choices, since the agent may have restarted, and fails if the agent rejects one. */
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

  /**
   * If the agent rejects a choice, Wharf logs it and discards it; if the agent cannot take it now,
   * Wharf sends it again later.
   */
  async #tryChoice(what: keyof typeof choices, id: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#setChoice(what, id, signal);
    } catch (error) {
      if (!(error instanceof RemoteError) || this.#link.signal.aborted) throw error;
      if (laterCodes.has(error.code)) return void (this.#syncedAt = undefined);
      await this.#deps.log.write(async (writer) => {
        const { task_id, run_id } = this.#lease;
        const task = await lockTask(writer.tx, task_id);
        await lockLeasedRun(writer.tx, this.#lease);
        if (choices[what].getDesired(task) !== id) return;
        await writer.tx.update(tasks).set(choices[what].none).where(eq(tasks.id, task_id));
        const message = `The agent keeps its current ${what}: ${error.message}`;
        await writer.append(task_id, [{ run_id, data: { kind: "notice", message } }]);
      });
    }
  }
}
