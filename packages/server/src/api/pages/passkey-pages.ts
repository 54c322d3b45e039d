import { WharfError } from "@wharf/contract";
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { CreatedPasskey, type PasskeyBrowser, UsedPasskey } from "../../access/index.ts";
import { parseJson } from "../../std/json.ts";
import { sendProblem, toCatalogueError } from "../http/errors.ts";
import { getLoginSource, type LoginModules } from "../routes/login-routes.ts";
import type { ShowLoginForm } from "./login-form.ts";
import { act, createLogin, findSession, finishLogin, formatProblem, page, parseForm } from "./page-requests.ts";
import { passkeyPaths } from "./passkey-forms.ts";

const Secret = z.string().min(1).max(500);
const fromJson = z.string().transform(parseJson);
const LoginForm = z.object({ secret: Secret, credential: fromJson.pipe(UsedPasskey) });
const NewForm = z.object({
  secret: Secret,
  credential: fromJson.pipe(CreatedPasskey),
  name: z
    .string()
    .trim()
    .max(100)
    .transform((name) => (name === "" ? "Passkey" : name)),
});
const RemoveForm = z.object({ id: z.uuid() });

const maxBodyBytes = 1_024;

/** A script reads the answer. */
const attempt = {
  ...page,
  bodyLimit: maxBodyBytes,
  errorHandler: (thrown: FastifyError, request: FastifyRequest, reply: FastifyReply) =>
    sendProblem(reply, toCatalogueError(thrown, request, { bodyBytes: maxBodyBytes })),
};

/** Failures after which a person may try again, or log in in another way. */
const loginFailures: ReadonlySet<string> = new Set([
  "passkey_refused",
  "passkey_copied",
  "passkey_attempt_lost",
  "rate_limited",
]);

/** The requests of the forms with which people log in with passkeys, add them and remove them. */
export function servePasskeyPages(pages: FastifyInstance, modules: LoginModules, showLoginForm: ShowLoginForm): void {
  const { passkeys, passkeyLogins } = modules;

  pages.post(passkeyPaths.loginAttempt, attempt, (request) => passkeyLogins.beginLogin(getBrowser(request)));

  pages.post(passkeyPaths.login, act("logInWithPasskey"), async (request, reply) => {
    const { secret, credential: used } = parseForm(LoginForm, request.body);
    try {
      const { cookie, account } = await passkeyLogins.logIn({ secret, used }, createLogin(modules, request));
      return await finishLogin(modules, { request, reply, cookie, account });
    } catch (error) {
      if (!(error instanceof WharfError) || !loginFailures.has(error.code)) throw error;
      if (isCopied(error)) request.auditTarget = { kind: "passkey", id: error.context.id };
      return showLoginForm(request, reply.status(error.status), formatProblem(error));
    }
  });

  pages.post(passkeyPaths.newAttempt, attempt, async (request) => {
    const session = await findSession(modules, request);
    if (!session) throw new WharfError("unauthenticated", {});
    return passkeyLogins.beginAdding(session.user_id, getBrowser(request));
  });

  pages.post(passkeyPaths.add, act("addPasskey"), async (request, reply) => {
    const { credential: created, ...form } = parseForm(NewForm, request.body);
    const session = await findSession(modules, request);
    if (!session) return reply.redirect("/login", 303);
    request.auditTarget = { kind: "user", id: session.user_id };
    const { id } = await passkeyLogins.add(session.user_id, { created, ...form });
    request.auditTarget = { kind: "passkey", id };
    return reply.redirect("/account", 303);
  });

  pages.post(passkeyPaths.remove, act("removePasskey"), async (request, reply) => {
    const { id } = parseForm(RemoveForm, request.body);
    const session = await findSession(modules, request);
    if (!session) return reply.redirect("/login", 303);
    request.auditTarget = { kind: "passkey", id };
    await passkeys.remove(session.user_id, id);
    return reply.redirect("/account", 303);
  });
}

const isCopied = (error: WharfError): error is WharfError<"passkey_copied"> => error.code === "passkey_copied";

const getBrowser = (request: FastifyRequest): PasskeyBrowser => ({
  host: request.headers.host ?? "",
  source: getLoginSource(request),
});
