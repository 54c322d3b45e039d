import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { WharfError } from "@wharf/contract";
import { usageError } from "./failure.ts";
import { oneLine } from "./render/clean.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a command may know of its surroundings. This file is the only reader of the client's part of the environment. */
export interface Settings {
  /** Handed on whole to a server that is started in this process. */
  readonly environment: Environment;
  readonly dataFolder: string;
  /** A server that was named, instead of the one that serves the data folder. */
  readonly url?: string;
  readonly token?: string;
  readonly json: boolean;
}

export interface GlobalOptions {
  readonly json?: boolean | undefined;
  readonly url?: string | undefined;
}

export function readSettings(environment: Environment, options: GlobalOptions = {}): Settings {
  const url = options.url ?? (environment.WHARF_URL || undefined);
  if (url !== undefined && !/^https?:$/.test(URL.canParse(url) ? new URL(url).protocol : "")) {
    const reason = `expected an http or https address, got '${oneLine(url, 60)}'`;
    throw options.url === undefined
      ? new WharfError("config_invalid", { name: "WHARF_URL", reason })
      : usageError(`--url: ${reason}`);
  }
  return {
    environment,
    dataFolder: resolve(environment.WHARF_DATA || defaultDataFolder()),
    ...(url !== undefined && { url: url.replace(/\/+$/, "") }),
    ...(environment.WHARF_TOKEN && { token: environment.WHARF_TOKEN }),
    json: options.json ?? false,
  };
}

/** Colours are for terminals, and not for people who said that they want none (https://no-color.org). */
export const wantsColour = (environment: Environment, isTty: boolean): boolean =>
  isTty && !environment.NO_COLOR && environment.TERM !== "dumb";

/** Where a server keeps everything when it is not told: the same rule as the server's own, which takes long to load. */
function defaultDataFolder(): string {
  return process.getuid?.() === 0 ? "/var/lib/wharf" : join(homedir(), ".wharf");
}
