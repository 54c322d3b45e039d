import { tiers } from "@wharf/contract";
import type { RunnerSpec } from "../../backends/index.ts";
import { getHash } from "../../std/hash.ts";
import { toLimits } from "../sizes.ts";

/** Number of runners to keep ready of a size, and of an image if the backend uses images. */
export interface PoolTarget {
  readonly tier: keyof typeof tiers;
  readonly image?: string;
  readonly size: number;
}

/** All properties in which runners may differ at creation, without their identity. */
export type RunnerKind = Omit<RunnerSpec, "id" | "wireKey">;

/**
 * Builds the backend's request: for the tenant as a whole, and with every program that a run may
 * start.
 */
export const toRunnerKind = (
  { tier, image }: PoolTarget,
  { programs, tenant }: { programs: readonly string[]; tenant: string },
): RunnerKind => ({
  limits: toLimits(tiers[tier]),
  programs,
  tenant,
  ...(image !== undefined && { image }),
});

/**
 * Returns the same key for runners that can replace each other. Any property added to the spec
 * later becomes part of the key automatically. Programs are compared separately: a runner with more
 * programs than requested also matches.
 */
export function createPoolKey(maker: { backend: string; version: string }, kind: RunnerKind): string {
  return getHash(JSON.stringify(sortKeys({ ...maker, ...kind, programs: undefined })));
}

/** Formats a target for people: `small`, or `medium of wharf-gemini:latest`. */
export const formatTarget = ({ tier, image }: PoolTarget): string =>
  image === undefined ? tier : `${tier} of ${image}`;

/** Sorts the keys, so that their original order does not matter. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, one]) => [name, sortKeys(one)]),
  );
}
