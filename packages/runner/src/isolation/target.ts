/** Where a packet must not get to. */
export interface Target {
  readonly host: string;
  readonly port: number;
}

const variable = /\$\{(\w+)\}/g;
const addressPattern = /^\[?([^\]]+?)\]?:(\d{1,5})$/;

/** `host:port` with variables of the environment; nothing where one is not set or the rest is no address. */
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
