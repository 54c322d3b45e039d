import { WharfError } from "@wharf/contract";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import type { SessionRow } from "../../access/index.ts";
import { getLoginSource, type LoginModules } from "../routes/login-routes.ts";
import { findDeviceCode, formatDeviceCookie, formatEndedDeviceCookie, isDeviceCode } from "./device-cookie.ts";
import { act, findSession, formatProblem, page, parseForm, sendPage } from "./page-requests.ts";
import { type Html, html } from "./page.ts";

const CodeQuery = z.object({ code: z.string().max(20).optional() });
const DecisionForm = z.object({ code: z.string().max(20), decision: z.enum(["confirm", "refuse"]) });

/** The page on which a person confirms the login of a program, after any kind of login. */
export function serveDevicePages(pages: FastifyInstance, modules: LoginModules): void {
  const { deviceLogins, loginManagement } = modules;

  pages.get("/device", page, async (request, reply) => {
    const { code: typed = findDeviceCode(request.headers) } = parseForm(CodeQuery, request.query);
    const session = await findSession(modules, request);
    if (!session) {
      if (isDeviceCode(typed)) void reply.header("set-cookie", formatDeviceCookie(request.headers, typed));
      return reply.redirect("/login", 303);
    }
    void reply.header("set-cookie", formatEndedDeviceCookie(request.headers));
    return typed === undefined ? showCodeForm(reply) : showProgram({ request, reply, session, code: typed });
  });

  pages.post("/device", act("decideDeviceLogin"), async (request, reply) => {
    const { code, decision } = parseForm(DecisionForm, request.body);
    const session = await findSession(modules, request);
    if (!session) return reply.redirect("/login", 303);
    request.auditTarget = { kind: "user", id: session.user_id };
    const isApproved = decision === "confirm";
    await deviceLogins.decide(code, { userId: session.user_id, isApproved, source: getLoginSource(request) });
    return sendPage(
      reply,
      isApproved ? "The program is logged in" : "Refused",
      html`<p>You can close this page. <a href="/me">Your page</a> lists all logins.</p>`,
    );
  });

  async function showProgram({ request, reply, session, code }: ShownProgram): Promise<FastifyReply> {
    try {
      const program = await deviceLogins.find(code, getLoginSource(request));
      const name = await loginManagement.getName(session.user_id);
      return sendPage(
        reply,
        "Log a program in",
        html`<p>A program asks to log in as <b>${name}</b>.</p>
          <p>Its terminal must show the code <b>${code.toUpperCase()}</b>. If you did not start it, refuse it.</p>
          <p><small>From ${program.address}, ${program.user_agent.slice(0, 80)}</small></p>
          <form method="post" action="/device">
            <input type="hidden" name="code" value="${code}" />
            <button name="decision" value="confirm">Confirm</button>
            <button name="decision" value="refuse">Refuse</button>
          </form>`,
      );
    } catch (error) {
      if (!(error instanceof WharfError) || error.code !== "device_code_unknown") throw error;
      return showCodeForm(reply.status(error.toProblem().status), formatProblem(error));
    }
  }
}

interface ShownProgram {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly session: SessionRow;
  readonly code: string;
}

const showCodeForm = (reply: FastifyReply, alert?: Html): FastifyReply =>
  sendPage(
    reply,
    "Log a program in",
    html`${alert}
      <form method="get" action="/device">
        <label
          >Code that the program shows<input name="code" autocomplete="off" maxlength="9" required autofocus
        /></label>
        <button>Continue</button>
      </form>`,
  );
