import { createHash } from "node:crypto";
import { tiers } from "@wharf/contract";
import type { RunnerSpec } from "../../backends/index.ts";
import { toLimits } from "../sizes.ts";

/** So many runners of a size, and of an image where the backend makes them of images, are kept ready. */
export interface PoolTarget {
  readonly tier: keyof typeof tiers;
  readonly image?: string;
  readonly size: number;
}

/** All that runners may differ in when they are made: everything of them but which one it is. */
export type RunnerKind = Omit<RunnerSpec, "id" | "wireKey">;

/** What the backend is asked for: for nobody of the tenant, and with whatever programs a run may want to start. */
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
 * The same for runners of which one can stand in for the other. Whatever else a backend is told of a runner some day is
 * part of it by itself. Programs are compared apart: a runner that has more of them than are asked for will do.
 */
export function createPoolKey(maker: { backend: string; version: string }, kind: RunnerKind): string {
  return createHash("sha256")
    .update(JSON.stringify(sortKeys({ ...maker, ...kind, programs: undefined })))
    .digest("hex");
}

/** Words for people: `small`, or `medium of wharf-gemini:latest`. */
export const formatTarget = ({ tier, image }: PoolTarget): string =>
  image === undefined ? tier : `${tier} of ${image}`;

/** With its keys in order, however they were written down. */
function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, one]) => [name, sortKeys(one)]),
  );
}
