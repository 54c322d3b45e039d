import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { createUsageError } from "../failure.ts";
import { toSingleLine } from "../render/safe-text.ts";
import {
  type ConfigFile,
  getConfigPath,
  createConfigError,
  organizationForm,
  type Profile,
  readConfigFile,
} from "./config-file.ts";
import type { Environment } from "./environment.ts";
import { SavedLogins } from "./saved-logins.ts";
import { createTokenSource, type TokenSource } from "./token-source.ts";

/**
 * Holds a command's view of its surroundings. This file is the only reader of the client's part of
 * the environment.
 */
export interface Settings {
  /** Is passed on unchanged to a server that is started in this process. */
  readonly environment: Environment;
  readonly dataFolder: string;
  /** Names a server to use instead of the data folder's. */
  readonly url?: string;
  readonly token?: string;
  /** Selects one of the user's organizations, by id or short name. */
  readonly organization?: string;
  /** Logins that `wharf login` saved; absent for a command that works on this machine alone. */
  readonly savedLogins?: SavedLogins;
  readonly json: boolean;
}

export interface GlobalOptions {
  readonly json?: boolean | undefined;
  readonly url?: string | undefined;
  readonly profile?: string | undefined;
  readonly org?: string | undefined;
}

/**
 * Combines a value with its source: an option, a variable, a line of the settings file, or the
 * default.
 */
interface SettingValue<T> {
  readonly value: T;
  readonly source: string;
}

/**
 * Holds every setting of the client with its origin. The first of these that has a value wins:
 * option, environment, profile, default.
 */
export interface ResolvedSettings {
  readonly config: SettingValue<string>;
  readonly profile: SettingValue<string> | undefined;
  readonly url: SettingValue<string> | undefined;
  readonly token: SettingValue<TokenSource | string> | undefined;
  readonly organization: SettingValue<string> | undefined;
  readonly dataFolder: SettingValue<string>;
}

interface NamedProfile extends Profile {
  readonly name: string;
  readonly config: ConfigFile;
}

export function getResolvedSettings(environment: Environment, options: GlobalOptions = {}): ResolvedSettings {
  const file = getConfigPath(environment);
  const profile = getProfile(environment, options);
  const url = getUrl(environment, options, profile?.value);
  return {
    config: { value: file.path, source: file.isNamed ? "WHARF_CONFIG" : "default" },
    profile: profile && { value: profile.value.name, source: profile.source },
    url,
    token: getToken(environment, url?.value, profile?.value),
    organization: getOrganization(environment, options, { url: url?.value, profile: profile?.value }),
    dataFolder: environment.WHARF_DATA
      ? { value: resolve(environment.WHARF_DATA), source: "WHARF_DATA" }
      : { value: getDefaultDataFolder(), source: "default" },
  };
}

/**
 * Returns the settings of one command line. A profile's token is read only for a command that uses
 * a server.
 */
export async function getSettings(environment: Environment, options: GlobalOptions = {}): Promise<Settings> {
  const { url, token, organization, dataFolder } = getResolvedSettings(environment, options);
  const value = typeof token?.value === "object" ? await token.value.read() : token?.value;
  return {
    ...getLocalSettings(environment, options),
    dataFolder: dataFolder.value,
    savedLogins: new SavedLogins(environment),
    ...(url && { url: url.value }),
    ...(value !== undefined && { token: value }),
    ...(organization && { organization: organization.value }),
  };
}

/**
 * Returns the settings of a command that works on this machine alone, no matter which server is
 * named.
 */
export function getLocalSettings(environment: Environment, { json = false }: GlobalOptions = {}): Settings {
  return { environment, dataFolder: resolve(environment.WHARF_DATA || getDefaultDataFolder()), json };
}

function getProfile(environment: Environment, options: GlobalOptions): SettingValue<NamedProfile> | undefined {
  const config = readConfigFile(environment);
  const selected =
    toSetting(options.profile, "--profile") ??
    toSetting(environment.WHARF_PROFILE, "WHARF_PROFILE") ??
    (config && toSetting(config.profile, config.locate("profile")));
  if (!selected) return undefined;
  const { value: name, source } = selected;
  const profile = config && Object.hasOwn(config.profiles, name) ? config.profiles[name] : undefined;
  if (config && profile) return { value: { ...profile, name, config }, source };
  const names = Object.keys(config?.profiles ?? {}).join(", ");
  const form = names ? `one of ${names}` : `a profile of ${getConfigPath(environment).path}, which has none`;
  const reason = `expected ${form}, got '${toSingleLine(name, 60)}'`;
  throw source === "--profile" ? createUsageError(`--profile: ${reason}`) : createConfigError(source, reason);
}

const toSetting = (value: string | undefined, source: string): SettingValue<string> | undefined =>
  value ? { value, source } : undefined;

function getUrl(
  environment: Environment,
  options: GlobalOptions,
  profile: NamedProfile | undefined,
): SettingValue<string> | undefined {
  const setting =
    (options.url === undefined ? undefined : { value: options.url, source: "--url" }) ??
    toSetting(environment.WHARF_URL, "WHARF_URL") ??
    (profile && { value: profile.url, source: profile.config.locate("url", profile.name) });
  if (!setting) return undefined;
  const { value, source } = setting;
  if (/^https?:$/.test(URL.canParse(value) ? new URL(value).protocol : ""))
    return { value: value.replace(/\/+$/, ""), source };
  const reason = `expected an http or https address, got '${toSingleLine(value, 60)}'`;
  throw source === "--url" ? createUsageError(`--url: ${reason}`) : createConfigError(source, reason);
}

/**
 * A profile's token is only for the profile's server, and not for another server that an option or
 * a variable names.
 */
function getToken(
  environment: Environment,
  url: string | undefined,
  profile: NamedProfile | undefined,
): ResolvedSettings["token"] {
  const environmentToken = toSetting(environment.WHARF_TOKEN, "WHARF_TOKEN");
  if (environmentToken || !profile || url === undefined) return environmentToken;
  if (!isProfileServer(url, profile)) return undefined;
  const source = createTokenSource(profile.config, profile.name, profile);
  return source && { value: source, source: source.place };
}

/** A profile's organization is one of the profile's server, like its token. */
function getOrganization(
  environment: Environment,
  options: GlobalOptions,
  { url, profile }: { readonly url: string | undefined; readonly profile: NamedProfile | undefined },
): SettingValue<string> | undefined {
  const setting =
    (options.org === undefined ? undefined : { value: options.org, source: "--org" }) ??
    toSetting(environment.WHARF_ORGANIZATION, "WHARF_ORGANIZATION") ??
    (profile?.organization !== undefined && url !== undefined && isProfileServer(url, profile)
      ? { value: profile.organization, source: profile.config.locate("organization", profile.name) }
      : undefined);
  if (!setting || organizationForm.test(setting.value)) return setting;
  const reason = `expected the id or the short name of an organization, got '${toSingleLine(setting.value, 60)}'`;
  throw setting.source === "--org" ? createUsageError(`--org: ${reason}`) : createConfigError(setting.source, reason);
}

const isProfileServer = (url: string, profile: NamedProfile): boolean =>
  new URL(url).origin === new URL(profile.url).origin;

/** Colours are for terminals, unless the user disabled them (https://no-color.org). */
export const isColourEnabled = (environment: Environment, isTty: boolean): boolean =>
  isTty && !environment.NO_COLOR && environment.TERM !== "dumb";

/**
 * Returns the server's default data folder; the rule is duplicated because the server takes long to
 * load.
 */
function getDefaultDataFolder(): string {
  return process.getuid?.() === 0 ? "/var/lib/wharf" : join(homedir(), ".wharf");
}
