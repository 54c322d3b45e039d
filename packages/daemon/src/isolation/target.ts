import { isIP } from "node:net";

/** Packets must not reach this address. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

const variable = /\$\{(\w+)\}/g;
const addressPattern = /^\[?([^\]]+?)\]?:(\d{1,5})$/;

/**
 * Parses `address:port` after expanding environment variables. Returns undefined if a variable is
 * missing or the address is invalid. A name is no target: the daemon itself serves names, and
 * answers at the addresses that it gives them.
 */
export function parseTarget(
  text: string,
  environment: Readonly<Record<string, string | undefined>>,
): Target | undefined {
  let isWhole = true;
  const full = text.replaceAll(variable, (_, name: string) => {
    const value = environment[name];
    if (!value) isWhole = false;
    return value ?? "";
  });
  const [, host, port] = addressPattern.exec(full) ?? [];
  if (!isWhole || host === undefined || isIP(host) === 0 || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { host, port: Number(port) };
}
