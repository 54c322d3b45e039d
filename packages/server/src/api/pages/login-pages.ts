import { AccountEmail, api, type RemoteError, Username, WharfError } from "@wharf/contract";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { AccountRow, SessionRow } from "../../access/index.ts";
import { secretParam } from "../http/audited-operation.ts";
import { toCatalogueError } from "../http/errors.ts";
import { findSessionCookie, formatEndedCookie, formatSessionCookie, requireOwnPage } from "../http/session-cookie.ts";
import { requireStorable } from "../http/validate-storable.ts";
import { getLoginSource, linkPaths, type LoginModules } from "../routes/login-routes.ts";
import { formatPage, type Html, html, pagePolicy } from "./page.ts";

const maxFormBytes = 16_384;
const formType = "application/x-www-form-urlencoded";

const LinkParams = z.object({ secret: z.string().max(500) });
const LoginForm = z.object({ email: AccountEmail, password: z.string().min(1).max(1024) });
const PasswordForm = LoginForm.pick({ password: true });
const InvitationForm = PasswordForm.extend({
  username: z.union([z.literal("").transform(() => undefined), Username]).optional(),
});

/**
 * The pages on which people log in with a browser: forms without scripts. A link is used only when
 * its button is pressed, because programs open links to show what is behind them. Each page goes to
 * a fixed place afterwards, never to an address from the request.
 */
export async function serveLoginPages(app: FastifyInstance, modules: LoginModules): Promise<void> {
  await app.register(async (pages) => {
    pages.addContentTypeParser(formType, { parseAs: "string", bodyLimit: maxFormBytes }, (_request, body, done) =>
      done(null, Object.fromEntries(new URLSearchParams(String(body)))),
    );
    pages.addHook("onRequest", async ({ method, headers }, reply) => {
      void reply.header("content-security-policy", pagePolicy);
      if (method === "POST") requireOwnPage({ method, headers });
    });
    pages.setErrorHandler((thrown: FastifyError, request, reply) => {
      const error = toCatalogueError(thrown, request, { bodyBytes: maxFormBytes });
      return sendPage(reply.status(error.toProblem().status), "This did not work", formatProblem(error));
    });
    serveLoginPage(pages, modules);
    serveLinkPages(pages, modules);
    serveAccountPage(pages, modules);
  });
}

function serveLoginPage(pages: FastifyInstance, modules: LoginModules): void {
  const showForm = (reply: FastifyReply, alert?: Html) =>
    sendPage(
      reply,
      "Log in",
      html`${alert}
        <form method="post" action="/login">
          <label>E-mail address<input name="email" type="email" autocomplete="username" required autofocus /></label>
          <label>Password<input name="password" type="password" autocomplete="current-password" required /></label>
          <button>Log in</button>
        </form>`,
    );
  pages.get("/login", page, async (_request, reply) => showForm(reply));
  pages.post("/login", act("login"), async (request, reply) => {
    const input = parseForm(LoginForm, request);
    try {
      const { cookie, account } = await modules.logins.logInWithPassword(input, createLogin(modules, request));
      return await finishLogin(modules, { request, reply, cookie, account });
    } catch (error) {
      if (!(error instanceof WharfError) || !["login_failed", "rate_limited"].includes(error.code)) throw error;
      return showForm(reply.status(error.toProblem().status), formatProblem(error));
    }
  });
}

function serveLinkPages(pages: FastifyInstance, modules: LoginModules): void {
  const { links, logins, loginManagement } = modules;
  const getSecret = ({ params }: FastifyRequest) => LinkParams.parse(params).secret;
  const passwordField = html`<label
    >Password<input name="password" type="password" autocomplete="new-password" minlength="10" required
  /></label>`;

  pages.get(`${linkPaths.login}:${secretParam}`, page, async (request, reply) => {
    const link = await links.find(getSecret(request), ["login"]);
    const name = await loginManagement.getName(link.user_id ?? "");
    return sendPage(reply, "Log in", html`<form method="post"><button>Log in as ${name}</button></form>`);
  });
  pages.post(`${linkPaths.login}:${secretParam}`, act("useLoginLink"), async (request, reply) => {
    const { cookie, account } = await logins.logInWithLink(getSecret(request), createLogin(modules, request));
    return finishLogin(modules, { request, reply, cookie, account });
  });

  pages.get(`${linkPaths.password}:${secretParam}`, page, async (request, reply) => {
    const link = await links.find(getSecret(request), ["password"]);
    const name = await loginManagement.getName(link.user_id ?? "");
    return sendPage(
      reply,
      "Set a password",
      html`<p>Account: ${name}. All earlier logins end.</p>
        <form method="post">${passwordField}<button>Set password</button></form>`,
    );
  });
  pages.post(`${linkPaths.password}:${secretParam}`, act("setPassword"), async (request, reply) => {
    const { password } = parseForm(PasswordForm, request);
    const input = { secret: getSecret(request), password };
    const { cookie, account } = await logins.resetPassword(input, createLogin(modules, request));
    return finishLogin(modules, { request, reply, cookie, account });
  });

  pages.get(`${linkPaths.invitation}:${secretParam}`, page, async (request, reply) => {
    const { email } = await links.find(getSecret(request), ["invitation"]);
    return sendPage(
      reply,
      "Accept the invitation",
      html`<p>For ${email ?? ""}. If this address has an account on this server, enter its password.</p>
        <form method="post">
          <label
            >Name (optional)<input name="username" autocomplete="nickname" maxlength="100" pattern="[a-z0-9._\\-]*"
          /></label>
          ${passwordField}<button>Accept</button>
        </form>`,
    );
  });
  pages.post(`${linkPaths.invitation}:${secretParam}`, act("acceptInvitation"), async (request, reply) => {
    const input = { secret: getSecret(request), ...parseForm(InvitationForm, request) };
    const { cookie, account } = await logins.acceptInvitation(input, createLogin(modules, request));
    return finishLogin(modules, { request, reply, cookie, account });
  });
}

function serveAccountPage(pages: FastifyInstance, modules: LoginModules): void {
  const { sessions, loginManagement } = modules;
  pages.get("/account", page, async (request, reply) => {
    const session = await findSession(modules, request);
    if (!session) return reply.redirect("/login", 303);
    const [name, all] = await Promise.all([loginManagement.getName(session.user_id), sessions.list(session.user_id)]);
    const rows = all.map(
      ({ id, kind, user_agent, address, used_at }) =>
        html`<tr>
          <td>${kind}${id === session.id ? " (this one)" : ""}<br /><small>${user_agent.slice(0, 80)}</small></td>
          <td>${address}</td>
          <td>${used_at.toISOString().slice(0, 16).replace("T", " ")}</td>
        </tr>`,
    );
    return sendPage(
      reply,
      "Your account",
      html`<p>You are logged in as <b>${name}</b>.</p>
        <table>
          <tr>
            <th>Login</th>
            <th>From</th>
            <th>Last use (UTC)</th>
          </tr>
          ${rows}
        </table>
        <form method="post" action="/logout"><button>Log out</button></form>
        <form method="post" action="/logout-others"><button>End all other logins</button></form>`,
    );
  });
  pages.post("/logout", act("logout"), async (request, reply) => {
    const session = await findSession(modules, request);
    if (session) request.auditTarget = { kind: "user", id: session.user_id };
    if (session) await sessions.end(session.user_id, session.id);
    return reply.header("set-cookie", formatEndedCookie(request.headers)).redirect("/login", 303);
  });
  pages.post("/logout-others", act("endSessions"), async (request, reply) => {
    const session = await findSession(modules, request);
    if (!session) return reply.redirect("/login", 303);
    request.auditTarget = { kind: "user", id: session.user_id };
    await loginManagement.endOtherSessions(session.user_id, session.id);
    return reply.redirect("/account", 303);
  });
}

/** The pages read the cookie themselves, so that they can ask for a login. */
const page = { config: { needs: "nothing" } } as const;

/** A form does the same as an operation of the contract, under whose name it is audited. */
const act = (auditAs: keyof typeof api) => ({ config: { needs: "nothing", auditAs } }) as const;

const createLogin = ({ sessions }: LoginModules, request: FastifyRequest) => ({
  source: getLoginSource(request),
  start: sessions.startBrowserSession.bind(sessions),
});

async function findSession({ sessions }: LoginModules, { headers }: FastifyRequest) {
  const cookie = findSessionCookie(headers);
  return cookie === undefined ? undefined : sessions.findByCookie(cookie);
}

interface NewPageLogin {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly cookie: string;
  readonly account: AccountRow;
}

/** Replaces the session that the browser had, so that no cookie from before the login counts. */
async function finishLogin(
  modules: LoginModules,
  { request, reply, cookie, account }: NewPageLogin,
): Promise<FastifyReply> {
  request.auditTarget = { kind: "user", id: account.id };
  const previous: SessionRow | undefined = await findSession(modules, request);
  if (previous) await modules.sessions.end(previous.user_id, previous.id);
  const maxAgeSeconds = Math.floor(modules.sessions.maxMs / 1000);
  return reply
    .header("set-cookie", formatSessionCookie(request.headers, cookie, maxAgeSeconds))
    .redirect("/account", 303);
}

function parseForm<S extends z.ZodType>(schema: S, { body }: FastifyRequest): z.output<S> {
  const form = schema.safeParse(body);
  if (form.success) {
    requireStorable(form.data);
    return form.data;
  }
  const issues = form.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new WharfError("bad_request", { issues });
}

function sendPage(reply: FastifyReply, title: string, body: Html): FastifyReply {
  return reply.type("text/html; charset=utf-8").send(formatPage(title, body));
}

function formatProblem(error: WharfError | RemoteError): Html {
  const { detail, next } = error.toProblem();
  return html`<p role="alert">${detail}</p>
    <p>${next}</p>`;
}
