import { createHash } from "node:crypto";

interface Weighted {
  readonly id: string;
  readonly weight: number;
}

/**
 * Orders upstreams for a run by rendezvous hashing. The same run always gets the same order, so its
 * prompts stay in one provider's cache; over many runs each upstream is first as often as its
 * weight says. An added or removed upstream moves only its own share of runs. Upstreams of weight 0
 * come last.
 */
export function orderByWeight<T extends Weighted>(runId: string, upstreams: readonly T[]): T[] {
  return upstreams
    .map((upstream) => ({ upstream, score: getScore(runId, upstream) }))
    .toSorted((a, b) => b.score - a.score)
    .map(({ upstream }) => upstream);
}

/**
 * With `u` evenly distributed in (0, 1), the largest of the scores `weight / -ln(u)` belongs to
 * each upstream with a probability in proportion to its weight.
 */
function getScore(runId: string, { id, weight }: Weighted): number {
  const digest = createHash("sha256").update(runId).update("\0").update(id).digest();
  const u = (digest.readUIntBE(0, 6) + 0.5) / 2 ** 48;
  return weight > 0 ? weight / -Math.log(u) : -u;
}
