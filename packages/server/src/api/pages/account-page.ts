import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { formatEndedCookie } from "../http/session-cookie.ts";
import type { LoginModules } from "../routes/login-routes.ts";
import { act, findSession, page, parseForm, sendPage } from "./page-requests.ts";
import { formatTime, html } from "./page.ts";
import type { PasskeyForms } from "./passkey-forms.ts";
import { formatReturnCookie } from "./return-path.ts";

const RowForm = z.object({ id: z.uuid() });
const linkPurposes = { login: "logs you in", password: "sets your password" } as const;

/**
 * The page on which people change how they log in. The page `/me` has their logins and tokens; this
 * one has what needs a script under its own policy, or a form of the login provider.
 */
export function serveAccountPage(pages: FastifyInstance, modules: LoginModules, passkeyForms: PasskeyForms): void {
  const { identities, links, loginManagement, oidc, passkeys, sessions } = modules;
  pages.get("/account", page, async (request, reply) => {
    const session = await findSession(modules, request);
    if (!session) return reply.header("set-cookie", formatReturnCookie(request)).redirect("/login", 303);
    const { user_id } = session;
    const [name, own, ownPasskeys, ownLinks] = await Promise.all([
      loginManagement.getName(user_id),
      identities.list(user_id),
      passkeys.list(user_id),
      links.listOpen(user_id),
    ]);
    const passkeyPart = passkeyForms.createAccountPart(request, ownPasskeys);
    const providers = own.map(
      ({ id, issuer, email }) =>
        html`<form method="post" action="/account/identities">
          <input type="hidden" name="id" value="${id}" />${issuer}<br /><small>${email}</small>
          <button>Remove</button>
        </form>`,
    );
    const openLinks = ownLinks.map(
      ({ id, kind, created_by, expires_at }) =>
        html`<form method="post" action="/account/links">
          <input type="hidden" name="id" value="${id}" />A link ${linkPurposes[kind]}<br /><small
            >by ${created_by ?? "Wharf"}, until ${formatTime(expires_at)} (UTC)</small
          >
          <button>Revoke</button>
        </form>`,
    );
    return sendPage(
      reply,
      "Your account",
      html`<p>You are logged in as <b>${name}</b>. <a href="/me">Your logins and tokens</a></p>
        ${providers.length > 0 ? html`<h2>Login providers</h2>` : undefined}${providers}
        ${oidc && html`<p><a href="/oidc/login">Log in with ${oidc.name} from now on</a></p>`} ${passkeyPart.body}
        ${openLinks.length > 0 ? html`<h2>Unused links</h2>` : undefined}${openLinks}
        <form method="post" action="/logout"><button>Log out</button></form>`,
      passkeyPart.script,
    );
  });
  pages.post("/logout", act("logout"), async (request, reply) => {
    const session = await findSession(modules, request);
    if (session) request.auditTarget = { kind: "user", id: session.user_id };
    if (session) await sessions.end(session.user_id, session.id);
    return reply
      .header("set-cookie", formatEndedCookie(request.headers))
      .redirect(oidc && session?.method === "oidc" ? "/logged-out" : "/login", 303);
  });
  pages.post("/account/identities", act("removeIdentity"), async (request, reply) => {
    const { id } = parseForm(RowForm, request.body);
    const session = await findSession(modules, request);
    if (!session) return reply.redirect("/login", 303);
    request.auditTarget = { kind: "identity", id };
    await identities.remove(session.user_id, id);
    return reply.redirect("/account", 303);
  });
  pages.post("/account/links", act("revokeOwnLink"), async (request, reply) => {
    const { id } = parseForm(RowForm, request.body);
    const session = await findSession(modules, request);
    if (!session) return reply.redirect("/login", 303);
    request.auditTarget = { kind: "user", id: session.user_id };
    await links.revoke(session.user_id, id);
    return reply.redirect("/account", 303);
  });
}
