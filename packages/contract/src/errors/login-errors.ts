import type { Catalogue, NoContext } from "./catalogue-entry.ts";

export interface LoginErrors {
  login_failed: NoContext;
  login_ended: NoContext;
  login_not_found: { id: string };
  link_invalid: NoContext;
  login_link_not_found: { id: string };
  invitation_not_found: { id: string };
  invitation_for_other_account: { email: string };
  password_unsuitable: { reason: string };
  username_taken: { username: string };
  account_shared: { username: string };
  account_is_service: { username: string };
  cross_site_request: NoContext;
}

/** Errors of people who log in, and of the links that they get. */
export const loginErrors: Catalogue<LoginErrors> = {
  login_failed: {
    http: 401,
    grpc: "UNAUTHENTICATED",
    message: () => "The e-mail address or the password is not correct.",
    next: () => "Check both and try again. An admin can make a link that sets a new password: `wharf user link`.",
  },
  login_ended: {
    http: 401,
    grpc: "UNAUTHENTICATED",
    message: () => "This login has ended.",
    next: () => "Log in again: `wharf login`.",
  },
  login_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `You have no login '${id}'.`,
    next: () => "List your logins with `wharf session ls`.",
  },
  link_invalid: {
    http: 410,
    grpc: "FAILED_PRECONDITION",
    message: () => "This link does not work: it was used, it has expired, or it was revoked.",
    next: () => "Ask for a new link. The owner of a server makes one with `wharf login --link`.",
  },
  invitation_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no open invitation '${id}'.`,
    next: () => "List the invitations with `wharf user invitations`.",
  },
  invitation_for_other_account: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ email }) => `The invitation is for ${email}, and your account has another address.`,
    next: () => "Open the link without being logged in, or ask for an invitation to the address of your account.",
  },
  login_link_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `You have no unused link '${id}'.`,
    next: () => "List your links with `wharf session links`.",
  },
  password_unsuitable: {
    http: 400,
    grpc: "INVALID_ARGUMENT",
    message: ({ reason }) => `The password is not suitable: ${reason}.`,
    next: () => "Choose another password, such as a sentence or one that a password manager made.",
  },
  username_taken: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: ({ username }) => `Another account has the name '${username}'.`,
    next: () => "Choose another name, or leave the name out.",
  },
  account_shared: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ username }) =>
      `The account '${username}' also belongs to other organizations or runs the server, so this organization cannot let people log in to it.`,
    next: () => "Ask the person who runs the server.",
  },
  account_is_service: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ username }) => `'${username}' is a service account, which cannot log in.`,
    next: () => "Create a token for it: `wharf token create`.",
  },
  cross_site_request: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: () => "A browser's login works only for requests from Wharf's own pages.",
    next: () => "Open Wharf in the browser, or send a token in the header Authorization.",
  },
};
