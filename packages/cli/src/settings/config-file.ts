import { readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { WharfError } from "@wharf/contract";
import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import type { Environment } from "./environment.ts";

/** An organization is sent in a header: its id or short name. */
export const organizationForm = /^[a-z0-9-]{1,63}$/;

const tokenKeys = ["token", "token_file", "token_command"] as const;

const Profile = z
  .strictObject({
    url: z.string().regex(/^https?:\/\/[^/]/, "an http or https address"),
    token: z.string().min(1).optional(),
    token_file: z.string().min(1).optional(),
    token_command: z.string().min(1).optional(),
    organization: z.string().regex(organizationForm, "an id or a short name of an organization").optional(),
  })
  .refine((profile) => tokenKeys.filter((key) => profile[key] !== undefined).length <= 1, {
    message: `only one of ${tokenKeys.join(", ")}`,
  });
export type Profile = z.infer<typeof Profile>;

const Content = z.strictObject({ profile: z.string().optional(), profiles: z.record(z.string(), Profile).default({}) });

/** Holds the user's client settings, with servers by name. */
export interface ConfigFile {
  readonly path: string;
  /** Names the default profile, without `--profile` and WHARF_PROFILE. */
  readonly profile: string | undefined;
  readonly profiles: Readonly<Record<string, Profile>>;
  /** Returns the position of a key, as `path:line`. */
  locate(key: string, profile?: string): string;
}

/** Returns the path of the settings file, and whether the environment names it. */
export function getConfigPath(environment: Environment): { readonly path: string; readonly isNamed: boolean } {
  if (environment.WHARF_CONFIG) return { path: resolve(environment.WHARF_CONFIG), isNamed: true };
  const folder = environment.XDG_CONFIG_HOME || join(environment.HOME || homedir(), ".config");
  return { path: join(folder, "wharf/config.toml"), isNamed: false };
}

/** Reads the settings file; returns undefined if it is missing and the environment names none. */
export function readConfigFile(environment: Environment): ConfigFile | undefined {
  const { path, isNamed } = getConfigPath(environment);
  const text = readText(path);
  if (text === undefined) {
    if (isNamed) throw createConfigError("WHARF_CONFIG", `the file ${path} does not exist`);
    return undefined;
  }
  const content = parseContent(path, text);
  if (Object.values(content.profiles).some(({ token }) => token !== undefined)) requirePrivate(path);
  return {
    path,
    ...content,
    profile: content.profile,
    locate: (key, profile) => getKeyLocation({ path, text }, key, profile),
  };
}

/** Refuses a file that holds a token and that other users may read. */
export function requirePrivate(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  const reason = `it holds a token and other users can read it (mode ${mode.toString(8).padStart(4, "0")})`;
  throw createConfigError(path, `${reason}; run \`chmod 600 ${path}\``);
}

/** Resolves a path of the settings file relative to that file's folder. */
export const toAbsolutePath = (config: Pick<ConfigFile, "path">, path: string): string =>
  resolve(dirname(config.path), path.replace(/^~(?=\/)/, homedir()));

export const createConfigError = (name: string, reason: string, cause?: unknown): WharfError =>
  new WharfError("config_invalid", { name, reason }, { cause });

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw createConfigError(path, `it cannot be read (${String(code)})`, error);
  }
}

function parseContent(path: string, text: string): z.infer<typeof Content> {
  let values: unknown;
  try {
    values = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the message quotes the line, which may hold a token.
    throw createConfigError(`${path}:${error.line}`, error.message.split("\n")[0] ?? "it is not TOML");
  }
  const parsed = Content.safeParse(values);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const keys = issue?.path.map(String) ?? [];
  const place = getKeyLocation({ path, text }, keys.at(-1) ?? "", keys[0] === "profiles" ? keys[1] : undefined);
  throw createConfigError(
    place,
    `${keys.join(".")}${keys.length > 0 ? ": " : ""}${issue ? getIssueMessage(issue) : ""}`,
  );
}

function getIssueMessage(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") return `unknown keys: ${issue.keys.join(", ")}`;
  if (issue.code === "invalid_type") return `expected a value of the type ${issue.expected}`;
  return `expected ${issue.message}`;
}

/** Returns the line of a key, or of its profile if the key is written in some other form. */
function getKeyLocation({ path, text }: { path: string; text: string }, key: string, profile?: string): string {
  let section: string | undefined;
  let sectionLine: number | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    const header = /^\s*\[\s*profiles\s*\.\s*(?:"([^"]*)"|'([^']*)'|([\w-]+))\s*\]/.exec(line);
    if (header) {
      section = header[1] ?? header[2] ?? header[3];
      if (section === profile) sectionLine = i + 1;
    } else if (section === profile && /^\s*["']?([\w-]+)["']?\s*=/.exec(line)?.[1] === key) return `${path}:${i + 1}`;
  }
  return sectionLine === undefined ? path : `${path}:${sectionLine}`;
}
