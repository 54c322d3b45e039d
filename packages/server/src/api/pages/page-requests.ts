import { type api, type RemoteError, WharfError } from "@wharf/contract";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { AccountRow, SessionRow } from "../../access/index.ts";
import type { PageAct } from "../http/audited-operation.ts";
import { findSessionCookie, formatSessionCookie } from "../http/session-cookie.ts";
import { requireStorable } from "../http/validate-storable.ts";
import { getLoginSource, type LoginModules } from "../routes/login-routes.ts";
import { findDeviceCode } from "./device-cookie.ts";
import { formatPage, type Html, html, type PageScript } from "./page.ts";
import { findReturnPath, formatEndedReturnCookie } from "./return-path.ts";

/** The pages read the cookie themselves, so that they can ask for a login. */
export const page = { config: { needs: "nothing", isUncounted: true } } as const;

/** A form does the same as an operation of the contract, under whose name it is audited. */
export const act = (auditAs: keyof typeof api | PageAct) => ({ config: { needs: "nothing", auditAs } }) as const;

export const createLogin = ({ sessions }: LoginModules, request: FastifyRequest) => ({
  source: getLoginSource(request),
  start: sessions.startBrowserSession.bind(sessions),
});

export async function findSession(
  { sessions }: LoginModules,
  { headers }: FastifyRequest,
): Promise<SessionRow | undefined> {
  const cookie = findSessionCookie(headers);
  return cookie === undefined ? undefined : sessions.findByCookie(cookie);
}

export interface NewPageLogin {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly cookie: string;
  readonly account: AccountRow;
  /** Whether the page is encrypted, if the request does not say so itself. */
  readonly isSecure?: boolean;
}

/**
 * Replaces the session that the browser had, so that no cookie from before the login counts. A
 * person who came to confirm a program's login continues with that, others with the page that they
 * wanted.
 */
export async function finishLogin(
  modules: LoginModules,
  { request, reply, cookie, account, isSecure }: NewPageLogin,
): Promise<FastifyReply> {
  request.auditTarget = { kind: "user", id: account.id };
  const previous = await findSession(modules, request);
  if (previous) await modules.sessions.end(previous.user_id, previous.id);
  const maxAgeSeconds = Math.floor(modules.sessions.maxMs / 1000);
  const isForDevice = findDeviceCode(request.headers) !== undefined;
  return reply
    .header("set-cookie", [
      formatSessionCookie(request.headers, { value: cookie, maxAgeSeconds, isSecure }),
      formatEndedReturnCookie(request.headers),
    ])
    .redirect(isForDevice ? "/device" : findReturnPath(request.headers), 303);
}

export function parseForm<S extends z.ZodType>(schema: S, form: unknown): z.output<S> {
  const parsed = schema.safeParse(form);
  if (parsed.success) {
    requireStorable(parsed.data);
    return parsed.data;
  }
  const issues = parsed.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  throw new WharfError("bad_request", { issues });
}

/** Sends a page. Only a page with a script allows one. */
export function sendPage(reply: FastifyReply, title: string, body: Html, script?: PageScript): FastifyReply {
  if (script) void reply.header("content-security-policy", script.policy);
  return reply.type("text/html; charset=utf-8").send(formatPage(title, body, script));
}

export function formatProblem(error: WharfError | RemoteError): Html {
  const { detail, next } = error.toProblem();
  return html`<p role="alert">${detail}</p>
    <p>${next}</p>`;
}
