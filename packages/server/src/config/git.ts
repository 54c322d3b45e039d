import { isIP } from "node:net";
import { isAbsolute, resolve } from "node:path";
import { GitUserEmail, GitUserName, parseHostName } from "@wharf/contract";
import { z } from "zod";
import type { AddressPolicy, GitAuthor, GitHostRule } from "../gateway/index.ts";

/** The settings of the repositories that tasks may name. */
export const gitEnvironment = {
  /**
   * The git hosts that tasks may name, separated by commas: `github.com`, `*.example.com`,
   * `git.example.com:2222` or `*`. `+private` after an entry allows addresses of a private network,
   * `+loopback` this machine, and `+http` connections without encryption. By default `*`, on a
   * server that only this machine reaches `*+private`.
   */
  WHARF_GIT_HOSTS: z.string().transform(parseGitHosts).optional(),
  /**
   * The folders of the server's machine whose repositories tasks may name, separated by commas. By
   * default `/`, on a server that other machines reach none.
   */
  WHARF_GIT_LOCAL_PATHS: z.string().transform(parseFolders).optional(),
  /** A JSON file that names the login for each git host; docs/repositories.md describes it. */
  WHARF_GIT_CREDENTIALS: z.string().min(1).optional(),
  /**
   * The author of commits of people whose account has no e-mail address, as `Name <address>`. By
   * default the author in the git configuration of the server's user.
   */
  WHARF_GIT_AUTHOR: z.string().transform(parseAuthor).optional(),
};

const authorForm = "an author such as 'Ada Lovelace <ada@example.com>'";

function parseAuthor(text: string, context: z.RefinementCtx): GitAuthor {
  const [, name, email] = /^\s*([^<>]+?)\s*<([^<>]+)>\s*$/.exec(text) ?? [];
  const parsed = z.object({ name: GitUserName, email: GitUserEmail }).safeParse({ name, email });
  if (parsed.success) return parsed.data;
  context.addIssue(authorForm);
  return z.NEVER;
}

interface GitSettings {
  readonly WHARF_HOST: string;
  readonly WHARF_GIT_HOSTS?: GitHostRule[] | undefined;
  readonly WHARF_GIT_LOCAL_PATHS?: string[] | undefined;
}

/**
 * Everyone who can reach a server on loopback can reach the machine's files and networks as well.
 * On any other server, a task would be a way to them.
 */
export function toAddressPolicy(settings: GitSettings): AddressPolicy {
  const isAlone = isLoopbackHost(settings.WHARF_HOST);
  const anyHost = { pattern: "*", allowsPrivate: isAlone, allowsLoopback: false, allowsHttp: false };
  return {
    hosts: settings.WHARF_GIT_HOSTS ?? [anyHost],
    localFolders: settings.WHARF_GIT_LOCAL_PATHS ?? (isAlone ? ["/"] : []),
  };
}

const isLoopbackHost = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

const flags = ["private", "loopback", "http"] as const;

function parseGitHosts(text: string, context: z.RefinementCtx): GitHostRule[] {
  const rules: GitHostRule[] = [];
  for (const word of text.split(",").map((one) => one.trim().toLowerCase())) {
    if (word === "") continue;
    const [host = "", ...suffixes] = word.split("+");
    const unknown = suffixes.find((suffix) => !flags.some((flag) => flag === suffix));
    const target = parseTarget(host);
    if (unknown !== undefined) context.addIssue(`'+${unknown}' in '${word}' is not +private, +loopback or +http`);
    else if (!target)
      context.addIssue(`'${word}' is not a host such as github.com, *.example.com, git.example.com:2222 or *`);
    else {
      const [allowsPrivate, allowsLoopback, allowsHttp] = flags.map((flag) => suffixes.includes(flag));
      rules.push({
        ...target,
        allowsPrivate: allowsPrivate === true,
        allowsLoopback: allowsLoopback === true,
        allowsHttp: allowsHttp === true,
      });
    }
  }
  return rules;
}

function parseTarget(text: string): Pick<GitHostRule, "pattern" | "port"> | undefined {
  const [, bracketed, plain = "", port] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const pattern = bracketed ?? plain;
  const number = port === undefined ? undefined : Number(port);
  if (number !== undefined && (number < 1 || number > 65_535)) return undefined;
  const name = pattern.replace(/^\*\./, "");
  const isKnown = pattern === "*" || isIP(pattern) !== 0 || parseHostName(name) === name;
  return isKnown ? { pattern, ...(number !== undefined && { port: number }) } : undefined;
}

function parseFolders(text: string, context: z.RefinementCtx): string[] {
  const folders = text
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean);
  const relative = folders.find((folder) => !isAbsolute(folder));
  if (relative !== undefined) context.addIssue(`'${relative}' is not an absolute path`);
  return folders.map((folder) => resolve(folder));
}
