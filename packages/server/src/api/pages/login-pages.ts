import { AccountEmail, Username, WharfError } from "@wharf/contract";
import type { FastifyError, FastifyInstance, FastifyRequest } from "fastify";
import { z } from "zod";
import type { AccountRow } from "../../access/index.ts";
import { secretParam } from "../http/audited-operation.ts";
import { toCatalogueError } from "../http/errors.ts";
import { requireOwnPage } from "../http/session-cookie.ts";
import { linkPaths, type LoginModules } from "../routes/login-routes.ts";
import { serveAccountPage } from "./account-page.ts";
import { serveDevicePages } from "./device-pages.ts";
import { createLoginForm, type ShowLoginForm } from "./login-form.ts";
import { serveOidcPages } from "./oidc-pages.ts";
import {
  act,
  createLogin,
  findSession,
  finishLogin,
  formatProblem,
  page,
  parseForm,
  sendPage,
} from "./page-requests.ts";
import { html, pagePolicy } from "./page.ts";
import { PasskeyForms } from "./passkey-forms.ts";
import { servePasskeyPages } from "./passkey-pages.ts";
import { formatReturnCookie } from "./return-path.ts";

const maxFormBytes = 16_384;
const formType = "application/x-www-form-urlencoded";

/** The page that a login link leads to. */
const LinkQuery = z.object({ page: z.string().max(2_000).optional() });
const LinkParams = z.object({ secret: z.string().max(500) });
const LoginForm = z.object({ email: AccountEmail, password: z.string().min(1).max(1024) });
const PasswordForm = LoginForm.pick({ password: true });
const InvitationForm = PasswordForm.extend({
  username: z.union([z.literal("").transform(() => undefined), Username]).optional(),
});

/** A person who is logged in accepts an invitation without a password. */
const JoinForm = z.object({ join: z.literal("yes") });

/**
 * The pages on which people log in with a browser: forms, which need a script only for passkeys. A
 * link is used only when its button is pressed, because programs open links to show what is behind
 * them. Each page goes to one of our own pages afterwards, never to an address from the request.
 */
export async function serveLoginPages(app: FastifyInstance, modules: LoginModules): Promise<void> {
  const passkeyForms = await PasskeyForms.create(modules.passkeyLogins);
  const showLoginForm = createLoginForm(modules, passkeyForms);
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
    serveLoginPage(pages, modules, showLoginForm);
    serveLinkPages(pages, modules);
    servePasskeyPages(pages, modules, showLoginForm);
    serveAccountPage(pages, modules, passkeyForms);
    serveDevicePages(pages, modules);
    if (modules.oidc) serveOidcPages(pages, modules, modules.oidc);
  });
}

function serveLoginPage(pages: FastifyInstance, modules: LoginModules, showForm: ShowLoginForm): void {
  pages.get("/login", page, async (request, reply) => showForm(request, reply));
  pages.post("/login", act("login"), async (request, reply) => {
    const input = parseForm(LoginForm, request.body);
    try {
      const { cookie, account } = await modules.logins.logInWithPassword(input, createLogin(modules, request));
      return await finishLogin(modules, { request, reply, cookie, account });
    } catch (error) {
      if (!(error instanceof WharfError) || !["login_failed", "rate_limited"].includes(error.code)) throw error;
      return showForm(request, reply.status(error.status), formatProblem(error));
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
    const { page: url } = LinkQuery.parse(request.query);
    if (url !== undefined) void reply.header("set-cookie", formatReturnCookie({ headers: request.headers, url }));
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
    const { password } = parseForm(PasswordForm, request.body);
    const input = { secret: getSecret(request), password };
    const { cookie, account } = await logins.resetPassword(input, createLogin(modules, request));
    return finishLogin(modules, { request, reply, cookie, account });
  });

  pages.get(`${linkPaths.invitation}:${secretParam}`, page, async (request, reply) => {
    const { email } = await links.find(getSecret(request), ["invitation"]);
    const account = await findInvitedPerson(modules, request, email);
    if (account)
      return sendPage(
        reply,
        "Accept the invitation",
        html`<form method="post"><button name="join" value="yes">Join as ${account.username}</button></form>`,
      );
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
    const secret = getSecret(request);
    if (JoinForm.safeParse(request.body).success) {
      const session = await findSession(modules, request);
      if (!session) return reply.redirect(linkPaths.invitation + secret, 303);
      request.auditTarget = { kind: "user", id: session.user_id };
      await logins.joinOrganization(session.user_id, secret);
      return reply.redirect("/", 303);
    }
    const input = { secret, ...parseForm(InvitationForm, request.body) };
    const { cookie, account } = await logins.acceptInvitation(input, createLogin(modules, request));
    return finishLogin(modules, { request, reply, cookie, account });
  });
}

/** Returns the account of a browser that is logged in, if an invitation is to its address. */
async function findInvitedPerson(
  modules: LoginModules,
  request: FastifyRequest,
  email: string | null,
): Promise<AccountRow | undefined> {
  const session = await findSession(modules, request);
  const account = session && (await modules.loginManagement.getAccount(session.user_id));
  return account?.email === email ? account : undefined;
}
