import type { FastifyReply, FastifyRequest } from "fastify";
import type { LoginModules } from "../routes/login-routes.ts";
import { sendPage } from "./page-requests.ts";
import { type Html, html } from "./page.ts";
import type { PasskeyForms } from "./passkey-forms.ts";

export type ShowLoginForm = (request: FastifyRequest, reply: FastifyReply, alert?: Html) => FastifyReply;

/** Creates the function that shows all ways to log in, after a failure with its reason. */
export function createLoginForm({ oidc }: LoginModules, passkeyForms: PasskeyForms): ShowLoginForm {
  const provider = oidc && html`<p><a class="button" href="/oidc/login">Log in with ${oidc.name}</a></p>`;
  return (request, reply, alert) => {
    const { body, script } = passkeyForms.createLoginPart(request);
    const form = html`${alert}
      <form method="post" action="/login">
        <label>E-mail address<input name="email" type="email" autocomplete="username" required autofocus /></label>
        <label>Password<input name="password" type="password" autocomplete="current-password" required /></label>
        <button>Log in</button>
      </form>
      ${provider}${body}`;
    return sendPage(reply, "Log in", form, script);
  };
}
