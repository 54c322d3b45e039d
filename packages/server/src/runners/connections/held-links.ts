import type { FindContext } from "../../gateway/index.ts";
import type { Link } from "./link.ts";
import type { WarmLink } from "./warm-link.ts";

interface HeldLink {
  readonly warm: WarmLink;
  readonly pool_key: string;
  /** Whether its row shows that it can be claimed. */
  isReady: boolean;
  /** When it stopped waiting, while its link is not fetched yet. */
  claimedAt: number | undefined;
}

/** How long the link to a claimed runner is kept for its claimant. */
const maxUnfetchedMs = 60_000;

/** The live links of this server's waiting runners. */
export class HeldLinks {
  readonly #links = new Map<string, HeldLink>();

  add(id: string, poolKey: string, warm: WarmLink): void {
    this.#links.set(id, { warm, pool_key: poolKey, isReady: false, claimedAt: undefined });
  }

  setReady(id: string): void {
    const entry = this.#links.get(id);
    if (entry) entry.isReady = true;
  }

  isAlive(id: string): boolean {
    const entry = this.#links.get(id);
    return entry !== undefined && !entry.warm.link.signal.aborted;
  }

  /** Returns runners that may still wait: only their rows are certain. */
  getAliveIds(poolKey: string): string[] {
    return [...this.#links].filter(([id, entry]) => entry.pool_key === poolKey && this.isAlive(id)).map(([id]) => id);
  }

  /** Counts claimable runners, as far as this server knows. */
  countReady(poolKey: string): number {
    const isClaimable = (entry?: HeldLink) => entry?.isReady === true && entry.claimedAt === undefined;
    return this.getAliveIds(poolKey).filter((id) => isClaimable(this.#links.get(id))).length;
  }

  setClaimed(id: string): void {
    const entry = this.#links.get(id);
    if (entry) entry.claimedAt ??= performance.now();
  }

  /** Returns the link and stops tracking it; undefined if the link is lost. */
  takeLink(id: string, find: FindContext): Link | undefined {
    const isAlive = this.isAlive(id);
    const entry = this.#links.get(id);
    this.#links.delete(id);
    return isAlive ? entry?.warm.handTo(find) : undefined;
  }

  /** Closes links that will not be fetched: broken ones, and those of runners claimed long ago. */
  async sweep(waitingIds: ReadonlySet<string>): Promise<void> {
    const nowMs = performance.now();
    for (const [id, entry] of this.#links) {
      if (waitingIds.has(id)) entry.claimedAt = undefined;
      else entry.claimedAt ??= nowMs;
      const isForgotten = entry.claimedAt !== undefined && nowMs - entry.claimedAt > maxUnfetchedMs;
      if (isForgotten || !this.isAlive(id)) await this.drop(id);
    }
  }

  async drop(id: string): Promise<void> {
    const entry = this.#links.get(id);
    this.#links.delete(id);
    await entry?.warm.link[Symbol.asyncDispose]();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.keys()].map((id) => this.drop(id)));
  }
}
