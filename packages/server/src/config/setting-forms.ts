import { AllowedHostInput, tiers } from "@wharf/contract";
import { z } from "zod";
import { type HostCredential, hostCredentials } from "../backends/index.ts";

/** Values separated by commas. */
export const list = z.string().transform((text) =>
  text
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean),
);

export const flag = z.enum(["", "0", "1", "true", "false"]).transform((text) => text === "1" || text === "true");

/** The number of runners to keep ready of a tier, and of an image if the backend has images. */
export interface PoolConfig {
  readonly tier: keyof typeof tiers;
  readonly image?: string;
  readonly size: number;
}

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function parseTime(text: string, context: z.RefinementCtx): number {
  const [, count, unit = ""] = /^(\d+)([smhd])$/.exec(text.trim()) ?? [];
  const ms = Number(count) * (unitMs[unit] ?? NaN);
  if (ms > 0) return ms;
  context.addIssue(`'${text}' is not a time such as 30m, 12h or 3d`);
  return z.NEVER;
}

/** Parses idle times. A time for every tier has the empty name. */
export function parseIdle(text: string, context: z.RefinementCtx): Map<string, number> {
  const times = new Map<string, number>();
  for (const entry of text.split(",").map((one) => one.trim())) {
    if (entry === "") continue;
    const [, tier = "", count, unit = ""] = /^(?:([\w-]+)=)?(\d+)([smhd])$/.exec(entry) ?? [];
    const ms = Number(count) * (unitMs[unit] ?? NaN);
    if (!(ms > 0)) context.addIssue(`'${entry}' is not a time such as 15m, or small=15m`);
    else if (tier !== "" && !Object.keys(tiers).includes(tier))
      context.addIssue(`'${tier}' is not one of ${Object.keys(tiers).join(", ")}`);
    else times.set(tier, ms);
  }
  return times;
}

/** An entry of an allow-list that comes from a setting. */
export interface AllowedHostSetting {
  readonly entry: string;
  readonly allowsPrivate: boolean;
}

export function parseAllowedHosts(text: string, context: z.RefinementCtx): AllowedHostSetting[] {
  const settings: AllowedHostSetting[] = [];
  for (const word of text.split(",").map((one) => one.trim())) {
    if (word === "") continue;
    const [, entry = "", suffix] = /^(.*?)(\+private)?$/.exec(word) ?? [];
    const parsed = AllowedHostInput.safeParse({ entry });
    if (parsed.success) settings.push({ entry: parsed.data.entry, allowsPrivate: suffix !== undefined });
    else context.addIssue(`'${word}': ${parsed.error.issues[0]?.message}`);
  }
  return settings;
}

const maxPoolSize = 1_000;

/**
 * Parses pool sizes. The number is after the last `=`, the image between the first `:` and that.
 */
export function parsePool(text: string, context: z.RefinementCtx): PoolConfig[] {
  const targets = new Map<string, PoolConfig>();
  for (const entry of text.split(",").map((one) => one.trim())) {
    if (entry === "") continue;
    const [, tier = "", image, count] = /^([\w-]+)(?::(\S+))?=(\d+)$/.exec(entry) ?? [];
    const size = Number(count);
    const name = `${tier}:${image ?? ""}`;
    const matchingTier = Object.keys(tiers).find((one): one is PoolConfig["tier"] => one === tier);
    if (!matchingTier)
      context.addIssue(`'${entry}' does not have the form small=4 with one of ${Object.keys(tiers).join(", ")}`);
    else if (size > maxPoolSize) context.addIssue(`'${entry}' is more than ${maxPoolSize}`);
    else if (targets.has(name)) context.addIssue(`'${entry}' is named twice`);
    else targets.set(name, { tier: matchingTier, size, ...(image && { image }) });
  }
  return [...targets.values()].filter(({ size }) => size > 0);
}

/**
 * Parses credentials by agent type, each in a fixed order, so that the same setting creates the
 * same runners.
 */
export function parseHostCredentials(text: string, context: z.RefinementCtx): Map<string, HostCredential[]> {
  const granted = new Map<string, HostCredential[]>();
  for (const entry of text.split(";").map((one) => one.trim())) {
    if (entry === "") continue;
    const [, agent = "", names = ""] = /^([a-z0-9][a-z0-9._-]*)\s*=(.*)$/.exec(entry) ?? [];
    const requestedNames = names.split(",").map((name) => name.trim());
    const unknown = requestedNames.filter((name) => !hostCredentials.some((credential) => credential === name));
    if (agent === "") context.addIssue(`'${entry}' does not have the form gemini=gitconfig,ssh`);
    else if (unknown.length > 0)
      context.addIssue(`'${unknown[0]}' for '${agent}' is not one of ${hostCredentials.join(", ")}`);
    else if (granted.has(agent)) context.addIssue(`'${agent}' is named twice`);
    else
      granted.set(
        agent,
        hostCredentials.filter((credential) => requestedNames.includes(credential)),
      );
  }
  return granted;
}
