import { StreamHeartbeat, type StreamFormat, Subscribe, Unsubscribe } from "@wharf/contract";
import { z } from "zod";
import type { Scope } from "../../access/index.ts";
import type { Log } from "../../events/index.ts";
import { parseJson } from "../../std/json.ts";
import type { Boards, Tasks } from "../../tasks/index.ts";
import { requireStorable } from "../http/validate-storable.ts";
import { BoardSubscriptions } from "./board-subscriptions.ts";
import { createBadRequest, Subscriptions } from "./subscriptions.ts";
import type { Viewer } from "./viewer.ts";

const Message = z.union([Subscribe, Unsubscribe, StreamHeartbeat]);

export interface GlobalStreamOptions {
  readonly log: Log;
  readonly tasks: Pick<Tasks, "findMany">;
  readonly boards: Pick<Boards, "findVisible">;
  readonly scope: Scope;
  readonly maxTasks?: number | undefined;
  readonly format: StreamFormat;
}

/** The messages of one viewer of the global stream, and what it follows. */
export class GlobalStream {
  readonly #viewer: Viewer;
  readonly #taskSubscriptions: Subscriptions;
  readonly #boardSubscriptions: BoardSubscriptions;

  constructor(viewer: Viewer, options: GlobalStreamOptions) {
    this.#viewer = viewer;
    this.#taskSubscriptions = new Subscriptions(viewer, options);
    this.#boardSubscriptions = new BoardSubscriptions(viewer, options);
  }

  /** Takes the viewer's present rights. */
  async setScope(scope: Scope): Promise<void> {
    await Promise.all([this.#taskSubscriptions.setScope(scope), this.#boardSubscriptions.setScope(scope)]);
  }

  async handle(text: string): Promise<void> {
    try {
      const message = parseMessage(text);
      if ("type" in message) return await this.#viewer.sendHeartbeat();
      const isAboutBoards = message.board_ids.length > 0 || message.everything;
      if (message.action === "unsubscribe") {
        this.#taskSubscriptions.unsubscribe(message.task_ids);
        return this.#boardSubscriptions.unsubscribe(message);
      }
      if (isAboutBoards) await this.#boardSubscriptions.subscribe(message);
      if (!isAboutBoards || message.task_ids.length > 0) await this.#taskSubscriptions.subscribe(message);
    } catch (thrown) {
      await this.#viewer.sendFailure(thrown);
    }
  }
}

function parseMessage(text: string): z.infer<typeof Message> {
  const message = Message.safeParse(parseJson(text));
  if (!message.success)
    throw createBadRequest(
      "",
      'send {"action":"subscribe","task_ids":[…],"board_ids":[…]}, or "unsubscribe", or {"type":"heartbeat"}',
    );
  requireStorable(message.data);
  return message.data;
}
