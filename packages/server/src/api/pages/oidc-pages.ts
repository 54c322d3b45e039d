import type { FastifyInstance, FastifyReply } from "fastify";
import { z } from "zod";
import { oidcAttemptSeconds, type OidcConsent } from "../../access/index.ts";
import { findCookie, formatCookie, requireOwnPage } from "../http/session-cookie.ts";
import { type LoginModules, oidcCallbackPath, type OidcModule } from "../routes/login-routes.ts";
import { act, createLogin, findSession, finishLogin, page, parseForm, sendPage } from "./page-requests.ts";
import { html } from "./page.ts";
import { accountPath, formatReturnCookie } from "./return-path.ts";

const name = "wharf_oidc";

const ConsentForm = z.object({ token: z.string().min(1).max(500) });

/**
 * The pages of logins with an OpenID provider. Each attempt begins and ends in the same browser:
 * its cookie and the provider's answer belong together.
 */
export function serveOidcPages(pages: FastifyInstance, modules: LoginModules, oidc: OidcModule): void {
  const { logins, publicUrl } = oidc;
  const isSecure = publicUrl.protocol === "https:";

  pages.get("/oidc/login", page, async (request, reply) => {
    const { headers } = request;
    // The provider sends people back to one address, and cookies belong to an address.
    if (headers.host !== publicUrl.host) return reply.redirect(`${publicUrl.origin}/login`, 303);
    requireOwnPage({ headers });
    const { cookie, url } = await logins.begin();
    // A person who is logged in links the provider to the account, whose page shows it.
    if (await findSession(modules, request))
      void reply.header("set-cookie", formatReturnCookie({ headers, url: accountPath }));
    return reply
      .header("set-cookie", formatCookie(headers, { name, value: cookie, maxAgeSeconds: oidcAttemptSeconds, isSecure }))
      .redirect(url, 303);
  });

  pages.get(oidcCallbackPath, act("login"), async (request, reply) => {
    const { headers, url } = request;
    const cookie = findCookie(headers, name);
    void reply.header("set-cookie", formatCookie(headers, { name, value: "", maxAgeSeconds: 0, isSecure }));
    const session = await findSession(modules, request);
    const login = { ...createLogin(modules, request), userId: session?.user_id };
    const outcome = await logins.finish({ cookie, query: url.slice(oidcCallbackPath.length) }, login);
    if ("consent" in outcome) return showConsent(reply, oidc, outcome.consent);
    return finishLogin(modules, { request, reply, ...outcome.login, isSecure });
  });

  pages.post("/oidc/confirm", act("linkIdentity"), async (request, reply) => {
    const { token } = parseForm(ConsentForm, request.body);
    const session = await findSession(modules, request);
    const login = { ...createLogin(modules, request), userId: session?.user_id };
    return finishLogin(modules, { request, reply, ...(await logins.confirm(token, login)) });
  });

  pages.get("/logged-out", page, async (_request, reply) => {
    // The person is logged out of Wharf, whatever the provider says.
    const url = await logins.findLogoutUrl().catch(() => undefined);
    const also = html`<p><a href="${url}">Log out of ${oidc.name} too</a></p>`;
    return sendPage(
      reply,
      "You are logged out",
      html`${url === undefined ? undefined : also}
        <p><a href="/login">Log in</a></p>`,
    );
  });
}

function showConsent(
  reply: FastifyReply,
  { name: provider }: OidcModule,
  { secret, email, username, role }: OidcConsent,
): FastifyReply {
  const question =
    username === undefined
      ? html`<p>You are invited as ${role} with the address <b>${email}</b>. This creates your account.</p>`
      : html`<p>
            ${provider} knows you as <b>${email}</b>. From now on you can log in to the account <b>${username}</b> with
            ${provider}.
          </p>
          <p>If that account is not yours, close this page.</p>`;
  return sendPage(
    reply,
    username === undefined ? "Accept the invitation" : `Use ${provider}`,
    html`${question}
      <form method="post" action="/oidc/confirm">
        <input type="hidden" name="token" value="${secret}" />
        <button>${username === undefined ? "Accept" : "Link and log in"}</button>
      </form>`,
  );
}
