import { parseHostName } from "./host-name.ts";
import { hostPresets, isHostPreset } from "./host-presets.ts";

/** One host, or every host below a domain, and the ports that may be reached there. */
export interface HostPattern {
  readonly name: string;
  /** Whether the name's subdomains are meant instead of the name itself. */
  readonly isWildcard: boolean;
  readonly ports: readonly number[];
}

const defaultPorts = [443, 80];
/** Shells, mail and name servers: a way out to them is not for packages. */
const refusedPorts: ReadonlySet<number> = new Set([22, 25, 53, 465, 587]);

/** Parses `example.com`, `*.example.com` or `example.com:8443`; returns what is wrong otherwise. */
export function parseHostPattern(text: string): HostPattern | { readonly problem: string } {
  const [, wildcard, host = "", port] = /^(\*\.)?([^:]*)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const name = parseHostName(host);
  if (name === undefined) return { problem: "expected a host such as example.com, *.example.com or example.com:8443" };
  if (name === "localhost" || name.endsWith(".localhost"))
    return { problem: "in a runner, localhost is the runner itself" };
  if (wildcard !== undefined && !name.includes("."))
    return { problem: `*.${name} would allow a whole top-level domain` };
  if (port === undefined) return { name, isWildcard: wildcard !== undefined, ports: defaultPorts };
  const number = Number(port);
  if (number < 1 || number > 65_535) return { problem: "expected a port from 1 to 65535" };
  if (refusedPorts.has(number)) return { problem: `port ${number} is never reachable from a runner` };
  return { name, isWildcard: wildcard !== undefined, ports: [number] };
}

/** Returns the patterns of an entry of an allow-list, which is a preset or one pattern. */
export function getHostPatterns(entry: string): readonly HostPattern[] {
  const texts: readonly string[] = isHostPreset(entry) ? hostPresets[entry].hosts : [entry];
  return texts.map(parseHostPattern).filter((pattern): pattern is HostPattern => !("problem" in pattern));
}

export function matchesHost(pattern: HostPattern, name: string, port: number): boolean {
  if (!pattern.ports.includes(port)) return false;
  return pattern.isWildcard ? name.endsWith(`.${pattern.name}`) : name === pattern.name;
}
