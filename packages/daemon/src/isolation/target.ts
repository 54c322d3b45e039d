/** Packets must not reach this address. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

const variable = /\$\{(\w+)\}/g;
const addressPattern = /^\[?([^\]]+?)\]?:(\d{1,5})$/;

/**
 * Parses `host:port` after expanding environment variables. Returns undefined if a variable is
 * missing or the address is invalid.
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
  if (!isWhole || host === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { host, port: Number(port) };
}
