import type { FindContext } from "../../gateway/index.ts";
import type { Link } from "../link.ts";
import type { WarmLink } from "./warm-link.ts";

interface Held {
  readonly warm: WarmLink;
  readonly pool_key: string;
  /** Whether its row says that it can be claimed. */
  isReady: boolean;
  /** Since when it waits no more, though nobody has fetched its wire. */
  claimedAt: number | undefined;
}

/** How long the wire to a runner that was claimed is kept for whoever claimed it. */
const unfetchedMs = 60_000;

/** The live wires of this server's waiting runners. */
export class HeldLinks {
  readonly #held = new Map<string, Held>();

  add(id: string, pool_key: string, warm: WarmLink): void {
    this.#held.set(id, { warm, pool_key, isReady: false, claimedAt: undefined });
  }

  markReady(id: string): void {
    const held = this.#held.get(id);
    if (held) held.isReady = true;
  }

  isAlive(id: string): boolean {
    const held = this.#held.get(id);
    return held !== undefined && !held.warm.link.signal.aborted;
  }

  /** Those that may wait still: only their rows tell for sure. */
  alive(pool_key: string): string[] {
    return [...this.#held].filter(([id, held]) => held.pool_key === pool_key && this.isAlive(id)).map(([id]) => id);
  }

  /** How many can be claimed, as far as is known here. */
  count(pool_key: string): number {
    const canBeClaimed = (held?: Held) => held?.isReady === true && held.claimedAt === undefined;
    return this.alive(pool_key).filter((id) => canBeClaimed(this.#held.get(id))).length;
  }

  claimed(id: string): void {
    const held = this.#held.get(id);
    if (held) held.claimedAt ??= performance.now();
  }

  /** Gives the wire away; nothing where it is gone. */
  take(id: string, find: FindContext): Link | undefined {
    const alive = this.isAlive(id);
    const held = this.#held.get(id);
    this.#held.delete(id);
    return alive ? held?.warm.handTo(find) : undefined;
  }

  /** Lets go of wires that nobody will ask for: broken ones, and those of runners that were claimed long ago. */
  async sweep(waiting: ReadonlySet<string>): Promise<void> {
    const now = performance.now();
    for (const [id, held] of this.#held) {
      if (waiting.has(id)) held.claimedAt = undefined;
      else held.claimedAt ??= now;
      const isForgotten = held.claimedAt !== undefined && now - held.claimedAt > unfetchedMs;
      if (isForgotten || !this.isAlive(id)) await this.drop(id);
    }
  }

  async drop(id: string): Promise<void> {
    const held = this.#held.get(id);
    this.#held.delete(id);
    await held?.warm.link[Symbol.asyncDispose]();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#held.keys()].map((id) => this.drop(id)));
  }
}
