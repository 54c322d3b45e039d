import type { Scope } from "../../access/index.ts";
import type { Boards } from "../../tasks/index.ts";

/**
 * Which boards a viewer of everything sees. A board is looked up when its first event comes, and
 * again after every change of access.
 */
export class VisibleBoards {
  readonly #boards: Pick<Boards, "findVisible">;
  #scope: Scope;
  #known = new Map<string, boolean>();

  constructor(boards: Pick<Boards, "findVisible">, scope: Scope) {
    this.#boards = boards;
    this.#scope = scope;
  }

  setScope(scope: Scope): void {
    this.#scope = scope;
    this.#known = new Map();
  }

  /** Leaves out the events of boards that the viewer does not see. */
  async select<Event extends { readonly board_id: string }>(events: readonly Event[]): Promise<Event[]> {
    for (;;) {
      const known = this.#known;
      const unknownIds = [...new Set(events.map(({ board_id }) => board_id))].filter((id) => !known.has(id));
      if (unknownIds.length > 0) {
        const visible = new Set(await this.#boards.findVisible(this.#scope, unknownIds));
        for (const id of unknownIds) known.set(id, visible.has(id));
      }
      // The viewer's rights may have changed meanwhile.
      if (known === this.#known) return events.filter(({ board_id }) => known.get(board_id) === true);
    }
  }
}
