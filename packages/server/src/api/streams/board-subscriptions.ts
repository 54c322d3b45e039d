import { maxStreamBoards, type Subscribe, type Unsubscribe, WharfError } from "@wharf/contract";
import type { Scope } from "../../access/index.ts";
import { type Log, Permits } from "../../events/index.ts";
import type { Boards } from "../../tasks/index.ts";
import { sendBoardEvents } from "./board-events.ts";
import { createBadRequest } from "./subscriptions.ts";
import type { Viewer } from "./viewer.ts";
import { VisibleBoards } from "./visible-boards.ts";

/** Maximum number of pages that one connection holds at once for boards. */
const maxPages = 2;
/** The subscription to all boards, beside the ids of single ones. */
const everything = "everything";

export interface BoardSubscriptionOptions {
  readonly log: Pick<Log, "published">;
  readonly boards: Pick<Boards, "findVisible">;
  readonly scope: Scope;
}

/** The boards that one viewer of the global stream follows: some, or all that it sees. */
export class BoardSubscriptions {
  readonly #viewer: Viewer;
  readonly #options: BoardSubscriptionOptions;
  /** The followed boards, each with what ends it. */
  readonly #followed = new Map<string, AbortController>();
  readonly #visibleBoards: VisibleBoards;
  readonly #pages = new Permits(maxPages);
  #scope: Scope;

  constructor(viewer: Viewer, options: BoardSubscriptionOptions) {
    this.#viewer = viewer;
    this.#options = options;
    this.#scope = options.scope;
    this.#visibleBoards = new VisibleBoards(options.boards, options.scope);
    viewer.signal.addEventListener("abort", () => {
      for (const following of this.#followed.values()) following.abort();
    });
  }

  /** Takes the viewer's present rights, and drops the boards that the viewer no longer sees. */
  async setScope(scope: Scope): Promise<void> {
    this.#scope = scope;
    this.#visibleBoards.setScope(scope);
    const boardIds = [...this.#followed.keys()].filter((id) => id !== everything);
    if (boardIds.length === 0) return;
    const visible = new Set(await this.#options.boards.findVisible(scope, boardIds));
    for (const id of boardIds.filter((one) => !visible.has(one))) {
      this.#end(id);
      void this.#viewer.sendFailure(new WharfError("board_not_found", { id }));
    }
  }

  /** Follows what a message names, and answers with the cursor at which it begins. */
  async subscribe(message: Pick<Subscribe, "board_ids" | "everything" | "cursor">): Promise<void> {
    const { board_ids: requestedIds, cursor } = message;
    const isFollowed = (id: string) => this.#followed.has(everything) || this.#followed.has(id);
    const ids = [...new Set(requestedIds)].filter((id) => !isFollowed(id));
    if (message.everything && this.#followed.size > 0 && !this.#followed.has(everything))
      throw createBadRequest("everything", "the connection follows single boards; unsubscribe from them first");
    if (this.#followed.size + ids.length > maxStreamBoards)
      throw createBadRequest("board_ids", `one connection follows ${maxStreamBoards} boards; follow everything`);
    const scope = this.#scope;
    const visible = ids.length === 0 ? [] : await this.#options.boards.findVisible(scope, ids);
    const start = await this.#options.log.published.findStart(cursor === undefined ? undefined : Number(cursor));
    // The viewer's rights changed meanwhile, and these boards were found with the old ones.
    if (scope !== this.#scope) return this.subscribe(message);
    await this.#viewer.send([{ type: "subscribed", cursor: String(start) }]);
    const wanted = message.everything ? [everything] : visible;
    for (const id of wanted.filter((one) => !this.#followed.has(one))) void this.#follow(id, start);
    for (const id of ids.filter((one) => !visible.includes(one)))
      await this.#viewer.sendFailure(new WharfError("board_not_found", { id }));
  }

  unsubscribe(message: Pick<Unsubscribe, "board_ids" | "everything">): void {
    for (const id of message.board_ids) this.#end(id);
    if (message.everything) this.#end(everything);
  }

  #end(id: string): void {
    this.#followed.get(id)?.abort();
    this.#followed.delete(id);
  }

  async #follow(id: string, start: number): Promise<void> {
    const following = new AbortController();
    this.#followed.set(id, following);
    if (this.#viewer.signal.aborted) following.abort();
    const { organization_id } = this.#scope;
    const filter = { organization_id, ...(id !== everything && { board_id: id }) };
    try {
      await sendBoardEvents(this.#viewer, {
        log: this.#options.log,
        after: start,
        filter,
        signal: following.signal,
        ...(id === everything && { visibleBoards: this.#visibleBoards }),
        pages: this.#pages,
      });
    } catch (thrown) {
      if (this.#followed.get(id) === following) this.#followed.delete(id);
      this.#viewer.fail(thrown);
    }
  }
}
