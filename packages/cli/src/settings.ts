import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type ConfigFile, configPath, invalid, type Profile, readConfigFile } from "./config-file.ts";
import { usageError } from "./failure.ts";
import { oneLine } from "./render/clean.ts";
import { createTokenSource, type TokenSource } from "./token-source.ts";

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
  readonly profile?: string | undefined;
}

/** A value and where it was found: an option, a variable, a line of the settings file, or the default. */
interface Found<T> {
  readonly value: T;
  readonly source: string;
}

/** Every setting of the client with its origin. The first of these that has a value wins: option, environment, profile, default. */
export interface FoundSettings {
  readonly config: Found<string>;
  readonly profile: Found<string> | undefined;
  readonly url: Found<string> | undefined;
  readonly token: Found<TokenSource | string> | undefined;
  readonly dataFolder: Found<string>;
}

interface NamedProfile extends Profile {
  readonly name: string;
  readonly config: ConfigFile;
}

export function findSettings(environment: Environment, options: GlobalOptions = {}): FoundSettings {
  const file = configPath(environment);
  const profile = findProfile(environment, options);
  const url = findUrl(environment, options, profile?.value);
  return {
    config: { value: file.path, source: file.isNamed ? "WHARF_CONFIG" : "default" },
    profile: profile && { value: profile.value.name, source: profile.source },
    url,
    token: findToken(environment, url?.value, profile?.value),
    dataFolder: environment.WHARF_DATA
      ? { value: resolve(environment.WHARF_DATA), source: "WHARF_DATA" }
      : { value: defaultDataFolder(), source: "default" },
  };
}

/** The settings of one command line. A profile's token is read only for a command that speaks to a server. */
export async function readSettings(environment: Environment, options: GlobalOptions = {}): Promise<Settings> {
  const { url, token, dataFolder } = findSettings(environment, options);
  const value = typeof token?.value === "object" ? await token.value.read() : token?.value;
  return {
    ...readLocalSettings(environment, options),
    dataFolder: dataFolder.value,
    ...(url && { url: url.value }),
    ...(value !== undefined && { token: value }),
  };
}

/** The settings of a command that works on this machine alone, whatever server is named. */
export function readLocalSettings(environment: Environment, { json = false }: GlobalOptions = {}): Settings {
  return { environment, dataFolder: resolve(environment.WHARF_DATA || defaultDataFolder()), json };
}

function findProfile(environment: Environment, options: GlobalOptions): Found<NamedProfile> | undefined {
  const config = readConfigFile(environment);
  const wanted =
    pick(options.profile, "--profile") ??
    pick(environment.WHARF_PROFILE, "WHARF_PROFILE") ??
    (config && pick(config.profile, config.locate("profile")));
  if (!wanted) return undefined;
  const { value: name, source } = wanted;
  const profile = config && Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
  if (config && profile) return { value: { ...profile, name, config }, source };
  const names = Object.keys(config?.profiles ?? {}).join(", ");
  const form = names ? `one of ${names}` : `a profile of ${configPath(environment).path}, which has none`;
  const reason = `expected ${form}, got '${oneLine(name, 60)}'`;
  throw source === "--profile" ? usageError(`--profile: ${reason}`) : invalid(source, reason);
}

const pick = (value: string | undefined, source: string): Found<string> | undefined =>
  value ? { value, source } : undefined;

function findUrl(
  environment: Environment,
  options: GlobalOptions,
  profile: NamedProfile | undefined,
): Found<string> | undefined {
  const found =
    (options.url === undefined ? undefined : { value: options.url, source: "--url" }) ??
    pick(environment.WHARF_URL, "WHARF_URL") ??
    (profile && { value: profile.url, source: profile.config.locate("url", profile.name) });
  if (!found) return undefined;
  const { value, source } = found;
  if (/^https?:$/.test(URL.canParse(value) ? new URL(value).protocol : ""))
    return { value: value.replace(/\/+$/, ""), source };
  const reason = `expected an http or https address, got '${oneLine(value, 60)}'`;
  throw source === "--url" ? usageError(`--url: ${reason}`) : invalid(source, reason);
}

/** A profile's token is for the profile's server and for no other that an option or a variable names. */
function findToken(
  environment: Environment,
  url: string | undefined,
  profile: NamedProfile | undefined,
): FoundSettings["token"] {
  const named = pick(environment.WHARF_TOKEN, "WHARF_TOKEN");
  if (named || !profile || url === undefined) return named;
  if (new URL(url).origin !== new URL(profile.url).origin) return undefined;
  const source = createTokenSource(profile.config, profile.name, profile);
  return source && { value: source, source: source.place };
}

/** Colours are for terminals, and not for people who said that they want none (https://no-color.org). */
export const wantsColour = (environment: Environment, isTty: boolean): boolean =>
  isTty && !environment.NO_COLOR && environment.TERM !== "dumb";

/** Where a server keeps everything when it is not told: the same rule as the server's own, which takes long to load. */
function defaultDataFolder(): string {
  return process.getuid?.() === 0 ? "/var/lib/wharf" : join(homedir(), ".wharf");
}
