import type { Catalogue, NoContext } from "./catalogue-entry.ts";

export interface OidcErrors {
  oidc_unavailable: { issuer: string; reason: string };
  oidc_failed: { issuer: string; reason: string };
  oidc_cancelled: NoContext;
  oidc_attempt_lost: NoContext;
  oidc_email_missing: NoContext;
  oidc_not_allowed: { reason: string };
  oidc_not_invited: { email: string };
  oidc_account_protected: { username: string };
  account_inactive: NoContext;
  identity_not_found: { id: string };
  device_login_pending: NoContext;
  device_login_refused: NoContext;
  device_login_expired: NoContext;
  device_code_unknown: NoContext;
}

const loginAgain = () => "Open the login page and try again.";
const startAgain = () => "Start again: `wharf login --browser`.";

/** Errors of logins with an OpenID provider, and of programs that a browser logs in. */
export const oidcErrors: Catalogue<OidcErrors> = {
  oidc_unavailable: {
    http: 503,
    grpc: "UNAVAILABLE",
    message: ({ issuer, reason }) => `The login provider ${issuer} cannot be used: ${reason}.`,
    next: () => "Try again later. On the server, `wharf doctor` checks the provider.",
  },
  oidc_failed: {
    http: 502,
    grpc: "UNAVAILABLE",
    message: ({ issuer, reason }) => `The login provider ${issuer} did not complete the login: ${reason}.`,
    next: () => "Try again. If it fails again, the person who runs the server checks WHARF_OIDC_… with `wharf doctor`.",
  },
  oidc_cancelled: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: () => "The login was cancelled at the provider.",
    next: loginAgain,
  },
  oidc_attempt_lost: {
    http: 410,
    grpc: "FAILED_PRECONDITION",
    message: () => "This login cannot continue: it took too long, it is over, or another browser began it.",
    next: loginAgain,
  },
  oidc_email_missing: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: () => "The provider has not verified an e-mail address of yours.",
    next: () =>
      "Verify your address there, or log in with a password and link the provider on the page of your account.",
  },
  oidc_not_allowed: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ reason }) => `This server does not accept ${reason}.`,
    next: () => "Use another account of the provider, or ask the person who runs the server.",
  },
  oidc_not_invited: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ email }) => `No account of this server has the address ${email}, and no open invitation is for it.`,
    next: () => "Ask an admin for an invitation: `wharf user invite <email>`.",
  },
  oidc_account_protected: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ username }) => `The account '${username}' runs the server, so an address alone does not link it.`,
    next: () => "Log in in another way, and link the provider on the page of your account.",
  },
  account_inactive: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: () => "Your account is in no organization of this server.",
    next: () => "Ask an admin for an invitation: `wharf user invite <email>`.",
  },
  identity_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `The account has no login provider '${id}'.`,
    next: () => "List them with `wharf identity ls`, or on the page of your account.",
  },
  device_login_pending: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "The login is not confirmed yet.",
    next: () => "Confirm it in the browser, and ask again in a few seconds.",
  },
  device_login_refused: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: () => "The login was refused in the browser.",
    next: startAgain,
  },
  device_login_expired: {
    http: 410,
    grpc: "FAILED_PRECONDITION",
    message: () => "The login was not confirmed in time, or it was used already.",
    next: startAgain,
  },
  device_code_unknown: {
    http: 404,
    grpc: "NOT_FOUND",
    message: () => "No program waits with this code.",
    next: () => "Compare the code with the one in the terminal. It works for ten minutes.",
  },
};
