import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyRequest } from "fastify";
import type { PasskeyLogins, PasskeyRow } from "../../access/index.ts";
import { formatProblem } from "./page-requests.ts";
import { formatTime, type Html, html, type PageScript, createPageScript } from "./page.ts";

export const passkeyPaths = {
  login: "/passkeys/login",
  loginAttempt: "/passkeys/login/attempt",
  add: "/account/passkeys",
  newAttempt: "/account/passkeys/attempt",
  remove: "/account/passkeys/remove",
} as const;

/** In a package, the build has copied this folder beside the server's code. */
const scriptFile = join(import.meta.dirname, "passkey-script", "passkeys.js");

/** A part of a page, with the script that it needs. */
export interface PagePart {
  readonly body: Html | undefined;
  readonly script?: PageScript;
}

const answerFields = html`<input type="hidden" name="secret" /><input type="hidden" name="credential" />`;

/**
 * The parts of pages on which people use passkeys. Where a browser has none, such as at an address
 * without a name, they name a better place and need no script.
 */
export class PasskeyForms {
  readonly #logins: PasskeyLogins;
  readonly #script: PageScript;

  private constructor(logins: PasskeyLogins, script: PageScript) {
    this.#logins = logins;
    this.#script = script;
  }

  static async create(logins: PasskeyLogins): Promise<PasskeyForms> {
    return new PasskeyForms(logins, createPageScript(await readFile(scriptFile, "utf8")));
  }

  createLoginPart({ headers: { host = "" } }: FastifyRequest): PagePart {
    const problem = this.#logins.findProblem(host);
    if (!problem)
      return {
        script: this.#script,
        body: html`<form
          method="post"
          action="${passkeyPaths.login}"
          data-passkey="use"
          data-attempt="${passkeyPaths.loginAttempt}"
          hidden
        >
          ${answerFields}<button>Log in with a passkey</button>
          <p role="alert"></p>
        </form>`,
      };
    const { url } = problem.context;
    return {
      body:
        url === undefined
          ? undefined
          : html`<p>
              <small>To log in with a passkey, open <a href="${url}/login">${url}</a>.</small>
            </p>`,
    };
  }

  createAccountPart({ headers: { host = "" } }: FastifyRequest, passkeys: readonly PasskeyRow[]): PagePart {
    const problem = this.#logins.findProblem(host);
    const list = passkeys.map(
      ({ id, name, domain, is_synced, used_at }) =>
        html`<form method="post" action="${passkeyPaths.remove}">
          <input type="hidden" name="id" value="${id}" />${name}<br /><small
            >${domain}${is_synced ? ", synchronized" : ""},
            ${used_at ? html`last used ${formatTime(used_at)} UTC` : "never used"}</small
          >
          <button>Remove</button>
        </form>`,
    );
    const title = html`<h2>Passkeys</h2>`;
    if (problem) return { body: html`${title}${list}${formatProblem(problem)}` };
    return {
      script: this.#script,
      body: html`${title}${list}
        <p data-without-passkeys>Passkeys need scripts and a current browser.</p>
        <form
          method="post"
          action="${passkeyPaths.add}"
          data-passkey="create"
          data-attempt="${passkeyPaths.newAttempt}"
          hidden
        >
          ${answerFields}<label
            >Name of the new passkey<input name="name" maxlength="100" placeholder="Laptop"
          /></label>
          <button>Add a passkey</button>
          <p role="alert"></p>
        </form>`,
    };
  }
}
