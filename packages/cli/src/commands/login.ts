import { api, type LoginTokens } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { createUsageError } from "../failure.ts";
import { addExamples } from "../help/examples.ts";
import { logInWithBrowser } from "../login/browser-login.ts";
import { parsePersonLink, printPersonLink } from "../login/person-link.ts";
import { readPassword } from "../login/read-password.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { isUnreachable } from "../server/client.ts";
import { createOpenClient, toSavedLogin } from "../server/login-token.ts";
import { SavedLogins } from "../settings/saved-logins.ts";
import { getResolvedSettings } from "../settings/settings.ts";

const LoginOptions = z.object({
  browser: z.boolean().default(false),
  email: z.string().min(3).max(255).optional(),
  link: z.boolean().default(false),
});
type LoginOptions = z.infer<typeof LoginOptions>;

export function addLogin(program: Command, register: RegisterCommand): void {
  const login = program
    .command("login")
    .argument("[link]", "link that you got: to log in, to set a password, or an invitation")
    .option("--email <address>", "e-mail address of your account")
    .option("--browser", "log in with a browser: with a password, a login provider, or in any other way")
    .option("--link", "print a link that logs you in with a browser, once")
    .summary("Log in to a server")
    .description(
      "Log in to the server that --url, WHARF_URL or a profile names. Without --email, the command shows a link and a code, and you confirm the login in a browser. With --email, the password is read from the terminal or stdin. The login is saved for all commands that use this server.",
    );
  const lines = [
    "wharf login --url https://wharf.example.com",
    "wharf login --url https://wharf.example.com --email ada@example.com",
    "wharf login https://wharf.example.com/invitations/…",
    "wharf login --link",
  ];
  register(addExamples(login, lines), LoginOptions, logIn);
  const logout = program
    .command("logout")
    .option("--all", "end your other logins too, in browsers and programs")
    .summary("End a login")
    .description("End the login that is saved for the server");
  register(
    addExamples(logout, ["wharf logout --url https://wharf.example.com", "wharf logout --all"]),
    z.object({ all: z.boolean().default(false) }),
    logOut,
  );
}

async function logIn(cli: Cli, { args, options }: CommandLineInput<LoginOptions>): Promise<void> {
  const [link] = args;
  if (options.link) {
    if (link !== undefined || options.email !== undefined || options.browser)
      throw createUsageError("--link needs no other argument");
    return printLink(cli);
  }
  if (options.browser && (link !== undefined || options.email !== undefined))
    throw createUsageError("--browser needs no other argument");
  const { url, tokens } = link === undefined ? await logInAtServer(cli, options) : await followLink(cli, link);
  const logins = new SavedLogins(cli.environment);
  logins.save(url, toSavedLogin(tokens));
  const { settings, terminal } = cli;
  const { user } = tokens;
  if (settings.json) return terminal.out(toJsonLine({ type: "login", url, user }));
  terminal.out(`Logged in to ${toSingleLine(url, 300)} as ${toSingleLine(user.username, 100)}.\n`);
  if (url !== settings.url) terminal.err(`Use it with --url ${toSingleLine(url, 300)}, WHARF_URL or a profile.\n`);
}

interface LoginResult {
  readonly url: string;
  readonly tokens: LoginTokens;
}

/** Without an address, a person uses a browser, which knows all kinds of logins. */
async function logInAtServer(cli: Cli, { browser, email }: LoginOptions): Promise<LoginResult> {
  const url = requireUrl(cli);
  const client = createOpenClient(url);
  if (browser || (email === undefined && cli.terminal.isInteractive))
    return { url, tokens: await logInWithBrowser(cli.terminal, { client, url }) };
  if (email === undefined) throw createUsageError("give the e-mail address with --email, or use --browser");
  const password = await readPassword(cli, "Password");
  return { url, tokens: await client.call(api.login, { body: { email, password } }) };
}

/** Uses up a link in place of a browser. */
async function followLink(cli: Cli, link: string): Promise<LoginResult> {
  const { url, kind, token } = parsePersonLink(link);
  warnAboutHttp(cli, url);
  const client = createOpenClient(url);
  if (kind === "login") return { url, tokens: await client.call(api.useLoginLink, { body: { token } }) };
  const password = await readPassword(cli, kind === "password" ? "New password" : "Password of your account");
  const body = { token, password };
  const route = kind === "password" ? api.setPassword : api.acceptInvitation;
  return { url, tokens: await client.call(route, { body }) };
}

function requireUrl(cli: Cli): string {
  const { url } = cli.settings;
  if (url === undefined)
    throw createUsageError(
      "name the server with --url, WHARF_URL or a profile; the server of your own data folder needs no login",
    );
  warnAboutHttp(cli, url);
  return url;
}

function warnAboutHttp({ terminal }: Cli, url: string): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === "https:" || /^(localhost|127\..*|\[::1\])$/.test(hostname)) return;
  terminal.err(`Warning: ${toSingleLine(url, 300)} is not encrypted. Others on the way can read the login.\n`);
}

/** The owner of a data folder has no password: a link is the first way into a browser. */
async function printLink(cli: Cli): Promise<void> {
  const created = await cli.client.call(api.createOwnLink, { body: { kind: "login" } });
  await printPersonLink(cli, created);
}

async function logOut(cli: Cli, { options }: CommandLineInput<{ all: boolean }>): Promise<void> {
  const { client, environment, options: globals, settings, terminal } = cli;
  if (options.all) {
    const { ended } = await client.call(api.endSessions, {});
    terminal.err(`Ended ${ended} other login${ended === 1 ? "" : "s"}.\n`);
  }
  const url = getResolvedSettings(environment, globals).url?.value;
  const logins = new SavedLogins(environment);
  const saved = url === undefined ? undefined : logins.find(url);
  if (url === undefined || !saved) {
    if (settings.json) terminal.out(toJsonLine({ type: "logout", url }));
    else if (!options.all) terminal.out("No login is saved for this server.\n");
    return;
  }
  // The file comes first: a login that the server cannot end now must not be used again.
  logins.remove(url);
  try {
    await createOpenClient(url).call(api.logout, { body: { refresh_token: saved.refresh_token } });
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    terminal.err(`${toSingleLine(url, 300)} does not answer, so the login there ends only when it expires.\n`);
  }
  terminal.out(settings.json ? toJsonLine({ type: "logout", url }) : `Logged out of ${toSingleLine(url, 300)}.\n`);
}
