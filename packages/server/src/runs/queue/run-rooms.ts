/** A run that may get a slot, with the limits that apply to it and the slots that count. */
export interface LimitedRun {
  readonly board_id: string;
  readonly organization_id: string;
  readonly user_id: string | null;
  readonly tier: string;
  readonly user_slots: number;
  readonly board_slots: number;
  readonly organization_slots: number;
  readonly tier_slots: number;
  readonly user_limit: number | null;
  readonly board_limit: number | null;
  readonly organization_limit: number | null;
  readonly tier_limit: number | null;
}

/**
 * Counts what the slots given in one claim take of the limits: the counts in the runs are from
 * before the claim.
 */
export class RunRooms {
  readonly #given = new Map<string, number>();

  hasRoom(run: LimitedRun): boolean {
    return getScopes(run).every(({ key, slots, limit }) => limit === null || slots + this.#getGiven(key) < limit);
  }

  take(run: LimitedRun): void {
    for (const { key } of getScopes(run)) this.#given.set(key, this.#getGiven(key) + 1);
  }

  #getGiven(key: string): number {
    return this.#given.get(key) ?? 0;
  }
}

const getScopes = (run: LimitedRun) => [
  { key: `user ${run.organization_id} ${run.user_id}`, slots: run.user_slots, limit: run.user_limit },
  { key: `board ${run.board_id}`, slots: run.board_slots, limit: run.board_limit },
  { key: `tier ${run.organization_id} ${run.tier}`, slots: run.tier_slots, limit: run.tier_limit },
  { key: `organization ${run.organization_id}`, slots: run.organization_slots, limit: run.organization_limit },
];
