import { api, type Event, type EventDataByKind } from "@wharf/contract";
import type { Cli } from "../cli.ts";
import { getOptionId } from "../render/permission.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { restartTimeoutMs } from "./await-turn.ts";
import { type Question, Questions, type QuestionsOptions } from "./questions.ts";

type Permission = EventDataByKind<"permission">;
type Denied = EventDataByKind<"denied">;

interface AllowableHost {
  readonly entry: string;
  readonly allows_private: boolean;
}

/** Sends the decisions of the person at the terminal. */
export interface Decisions {
  /** Without an option the request is refused. */
  readonly answerPermission: (permissionId: string, optionId: string | undefined) => Promise<void>;
  /** Allows a host for the task, or for all runners. */
  readonly allowHost: (denied: AllowableHost, scope: "task" | "all") => Promise<void>;
}

/**
 * Asks the person at the terminal what a turn needs: answers for the agent, and whether runners may
 * reach a host that was denied, once per host.
 */
export class TurnQuestions implements AsyncDisposable {
  readonly #questions: Questions;
  readonly #decisions: Decisions;
  readonly #askedHosts = new Set<string>();

  constructor(options: QuestionsOptions, decisions: Decisions) {
    this.#questions = new Questions(options);
    this.#decisions = decisions;
  }

  handle({ data }: Pick<Event, "data">): void {
    if (data.kind === "permission") this.#handlePermission(data);
    if (data.kind === "denied") this.#handleDenial(data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#questions[Symbol.asyncDispose]();
  }

  #handlePermission(permission: Permission): void {
    if (permission.status === "asked") this.#questions.ask(this.#createPermissionQuestion(permission));
    else this.#questions.withdraw(permission.permission_id);
  }

  #handleDenial({ entry, allows_private = false }: Denied): void {
    const key = `${entry} ${allows_private}`;
    if (entry === undefined || this.#askedHosts.has(key)) return;
    this.#askedHosts.add(key);
    this.#questions.ask(this.#createHostQuestion({ entry, allows_private }));
  }

  #createPermissionQuestion({ permission_id, options = [] }: Permission): Question {
    return {
      key: permission_id,
      prompt: "Your answer",
      choices: `1–${options.length}, or n to refuse`,
      parse: (reply) => {
        if (isNo(reply)) return () => this.#decisions.answerPermission(permission_id, undefined);
        const chosen = getOptionId(reply, options);
        return chosen === undefined ? undefined : () => this.#decisions.answerPermission(permission_id, chosen);
      },
    };
  }

  #createHostQuestion(host: AllowableHost): Question {
    const name = toSingleLine(host.entry, 260);
    return {
      key: `host ${host.entry}`,
      prompt: host.allows_private ? `Allow ${name}, in a private network?` : `Allow ${name}?`,
      choices: "t for this task, a for all runners, n for no",
      isOptional: true,
      parse: (reply) => {
        if (isNo(reply)) return async () => undefined;
        const scope = /^t(?:ask)?$/i.test(reply) ? "task" : /^a(?:ll)?$/i.test(reply) ? "all" : undefined;
        return scope && (() => this.#decisions.allowHost(host, scope));
      },
    };
  }
}

const isNo = (reply: string): boolean => /^no?$/i.test(reply);

/** Asks at this terminal, and sends the decisions to the server. */
export function openTurnQuestions({ client }: Cli, taskId: string): TurnQuestions {
  const retry = { retryTimeoutMs: restartTimeoutMs };
  return new TurnQuestions(
    { input: process.stdin, output: process.stdout },
    {
      answerPermission: async (permissionId, optionId) => {
        const params = { task_id: taskId, permission_id: permissionId };
        const body = optionId === undefined ? {} : { option_id: optionId };
        await client.call(api.answerPermission, { params, body }, retry);
      },
      allowHost: async (host, scope) => {
        const body = { ...host, ...(scope === "task" && { task_id: taskId }) };
        await client.call(api.allowHost, { body }, retry);
      },
    },
  );
}
