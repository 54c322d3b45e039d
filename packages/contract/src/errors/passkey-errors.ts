import type { Catalogue, NoContext } from "./catalogue-entry.ts";

export interface PasskeyErrors {
  passkey_refused: NoContext;
  passkey_copied: { id: string; name: string };
  passkey_unsuitable: { reason: string };
  passkey_attempt_lost: NoContext;
  passkey_not_found: { id: string };
  passkeys_unavailable: { host: string; url?: string };
  too_many_passkeys: { max: number };
}

/** Errors of logins with passkeys. */
export const passkeyErrors: Catalogue<PasskeyErrors> = {
  passkey_refused: {
    http: 401,
    grpc: "UNAUTHENTICATED",
    message: () => "This passkey does not log in to an account of this server.",
    next: () => "Use another passkey, or log in in another way and add one on the page of your account.",
  },
  passkey_copied: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ name }) =>
      `The device of the passkey '${name}' counted backwards, so a copy of the passkey may be in use.`,
    next: () =>
      "Log in in another way, remove the passkey on the page of your account, and end logins that are not yours.",
  },
  passkey_unsuitable: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ reason }) => `The passkey cannot be added: ${reason}.`,
    next: () => "Try again, or use another device.",
  },
  passkey_attempt_lost: {
    http: 410,
    grpc: "FAILED_PRECONDITION",
    message: () => "This attempt with a passkey cannot continue: it took too long, or it is over.",
    next: () => "Try again.",
  },
  passkey_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `The account has no passkey '${id}'.`,
    next: () => "List the passkeys with `wharf passkey ls`, or on the page of your account.",
  },
  passkeys_unavailable: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ host }) => `Passkeys do not work at ${host}.`,
    next: ({ url }) =>
      url === undefined
        ? "They belong to a name: set WHARF_PUBLIC_URL to an https address with a name, or use localhost."
        : `Open ${url} instead: a passkey belongs to a name.`,
  },
  too_many_passkeys: {
    http: 409,
    grpc: "RESOURCE_EXHAUSTED",
    message: ({ max }) => `An account has at most ${max} passkeys.`,
    next: () => "Remove one that you no longer use.",
  },
};
