import { type HostPattern, matchesHost, parseHostName, parseHostPattern } from "@wharf/contract";
import { type FindAddresses, type HostAddress, selectAddresses } from "./addresses.ts";

/** An entry of an allow-list that concerns the runner. */
export interface HostRule {
  readonly patterns: readonly HostPattern[];
  /** Whether the hosts may have addresses of a private network. */
  readonly allowsPrivate: boolean;
}

export interface HostTarget {
  readonly name: string;
  readonly port: number;
}

export type HostDecision =
  | { readonly kind: "allowed"; readonly target: HostTarget; readonly addresses: readonly HostAddress[] }
  /** The target is undefined if the runner did not ask for a host by its name. */
  | {
      readonly kind: "denied";
      readonly target: HostTarget | undefined;
      readonly reason: string;
      /** Describes the entry of an allow-list that would change the decision, if one would. */
      readonly remedy?: { readonly allowsPrivate: boolean };
    }
  | { readonly kind: "unresolved"; readonly target: HostTarget; readonly reason: string };

const resolveTimeoutMs = 10_000;

/** Parses `host:port` as programs write it to a proxy. */
export function parseTarget(authority: string, defaultPort?: number): HostTarget | undefined {
  const [, host = "", port] = /^([^:]*)(?::(\d{1,5}))?$/.exec(authority) ?? [];
  const name = parseHostName(host);
  const number = port === undefined ? defaultPort : Number(port);
  return name === undefined || number === undefined || number < 1 || number > 65_535
    ? undefined
    : { name, port: number };
}

/** Decides whether a runner may open a connection, and to which addresses. */
export async function decide(
  target: HostTarget | undefined,
  rules: readonly HostRule[],
  find: FindAddresses,
): Promise<HostDecision> {
  const deny = (reason: string, remedy?: { allowsPrivate: boolean }): HostDecision => ({
    kind: "denied",
    target,
    reason,
    ...(remedy && { remedy }),
  });
  if (target === undefined) return deny("a runner reaches hosts by their names, not by addresses");
  const { name, port } = target;
  const matchingRules = rules.filter(({ patterns }) => patterns.some((pattern) => matchesHost(pattern, name, port)));
  if (matchingRules.length === 0) {
    const parsed = parseHostPattern(formatTarget(target));
    return "problem" in parsed ? deny(parsed.problem) : deny("no allow-list contains it", { allowsPrivate: false });
  }
  let found: readonly HostAddress[];
  try {
    found = await withTimeout(find(name));
  } catch (error) {
    return { kind: "unresolved", target, reason: describeLookupFailure(error) };
  }
  const allowsPrivate = matchingRules.some((rule) => rule.allowsPrivate);
  const addresses = selectAddresses(found, allowsPrivate);
  if (addresses.length > 0) return { kind: "allowed", target, addresses };
  const [first] = found;
  if (first === undefined) return { kind: "unresolved", target, reason: "it has no address" };
  return selectAddresses(found, true).length > 0
    ? deny(`its address ${first.address} is in a private network, which its allow-list entry does not include`, {
        allowsPrivate: true,
      })
    : deny(`its address ${first.address} leads to the server's own machine or network`);
}

/** The ports that an entry of an allow-list includes without naming them are left out. */
export const formatTarget = ({ name, port }: HostTarget): string =>
  port === 443 || port === 80 ? name : `${name}:${port}`;

async function withTimeout<T>(promise: Promise<T>): Promise<T> {
  const { promise: expiry, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${resolveTimeoutMs / 1000} s`)), resolveTimeoutMs);
  return Promise.race([promise, expiry]).finally(() => clearTimeout(timer));
}

function describeLookupFailure(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOTFOUND") return "the name does not exist";
  return error instanceof Error ? error.message : "its name could not be resolved";
}
