import { type Permission, permissions } from "../permissions.ts";
import type { Catalogue, NoContext } from "./catalogue-entry.ts";

export interface AccessErrors {
  unauthenticated: NoContext;
  stream_ticket_invalid: NoContext;
  query_token_refused: NoContext;
  access_ended: { reason: "login" | "permission" | "resource" };
  permission_missing: { permission: Permission; reason: "role" | "board" | "token" | "issuer" };
  organization_not_found: { name: string };
  organization_exists: { slug: string };
  organization_needs_admin: NoContext;
  user_not_found: { name: string };
  user_exists: { username: string };
  user_needs_invitation: { username: string; email: string };
  access_token_not_found: { id: string };
  access_token_outlives_creator: { expires_at: string };
  board_needs_owner: NoContext;
}

const lackReasons = {
  role: "your role does not have it",
  board: "your role on this board does not have it",
  token: "the token does not have it",
  issuer: "a token that another person created does not have it",
} as const;

const endings = {
  login: {
    message: "Your access ended: the token or login is no longer valid, or you left the organization.",
    next: "Log in again with `wharf login`, or use another token.",
  },
  permission: {
    message: "Your access ended: your role or your token no longer allows this.",
    next: "Ask an admin of the organization or an owner of the board for another role.",
  },
  resource: {
    message: "Your access ended: this was deleted, or is no longer shared with you.",
    next: "List what you see with `wharf board ls`, and ask an owner of the board to share it again.",
  },
} as const;

/** Errors of people, their roles and their tokens. */
export const accessErrors: Catalogue<AccessErrors> = {
  unauthenticated: {
    http: 401,
    grpc: "UNAUTHENTICATED",
    message: () => "The token is missing or not valid.",
    next: () =>
      "Send `Authorization: Bearer <token>`, or set WHARF_TOKEN for the CLI. The owner's token is in the file `owner-token` of the server's data folder.",
  },
  stream_ticket_invalid: {
    http: 401,
    grpc: "UNAUTHENTICATED",
    message: () => "The ticket is unknown, was used, or has expired.",
    next: () => "Get another one with `POST /api/v1/stream-tickets`. It opens one stream, within 30 seconds.",
  },
  query_token_refused: {
    http: 401,
    grpc: "UNAUTHENTICATED",
    message: () => "This server does not accept tokens in addresses, which proxies log.",
    next: () =>
      "Send the header `Authorization: Bearer <token>`, or get a ticket with `POST /api/v1/stream-tickets`. WHARF_QUERY_TOKENS=1 of the server allows `?token=`.",
  },
  access_ended: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ reason }) => endings[reason].message,
    next: ({ reason }) => endings[reason].next,
  },
  permission_missing: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ permission, reason }) =>
      `The request needs the permission '${permission}', and ${lackReasons[reason]}.`,
    next: ({ permission, reason }) => {
      if (reason === "token") return `Use a token with '${permission}'.`;
      if (reason === "issuer") return "Log in with `wharf login`, or use a token that you created yourself.";
      if (reason === "board") return "Ask an owner of the board for another role.";
      return permissions[permission].role === "operator"
        ? "Ask the person who runs the server."
        : "Ask an admin of the organization for another role.";
    },
  },
  organization_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ name }) => `You are in no organization '${name}', or the token is for another one.`,
    next: () => "List your organizations with `wharf whoami`.",
  },
  organization_exists: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: ({ slug }) => `There is an organization '${slug}' already.`,
    next: () => "Choose another short name.",
  },
  organization_needs_admin: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "An organization keeps at least one admin, and the server's owner stays an admin of theirs.",
    next: () => "Make another user an admin first, with `wharf user role <user> admin`.",
  },
  user_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ name }) => `The organization has no user '${name}'.`,
    next: () => "List its users with `wharf user ls`.",
  },
  user_exists: {
    http: 409,
    grpc: "ALREADY_EXISTS",
    message: ({ username }) => `The name '${username}' or the e-mail address belongs to another user.`,
    next: () => "Choose another name, or give the user's own address.",
  },
  user_needs_invitation: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: ({ username }) =>
      `'${username}' has an account on this server, and joins an organization only by consent.`,
    next: ({ email }) => `Invite the person, who accepts with the link: \`wharf user invite ${email}\`.`,
  },
  access_token_not_found: {
    http: 404,
    grpc: "NOT_FOUND",
    message: ({ id }) => `There is no token '${id}'.`,
    next: () => "List the tokens with `wharf token ls`.",
  },
  access_token_outlives_creator: {
    http: 403,
    grpc: "PERMISSION_DENIED",
    message: ({ expires_at }) =>
      `A token creates none that outlives it, and the token of this request expires at ${expires_at}.`,
    next: () => "Choose an earlier end, or use a token that expires later.",
  },
  board_needs_owner: {
    http: 409,
    grpc: "FAILED_PRECONDITION",
    message: () => "A board keeps at least one owner.",
    next: () => "Make another user an owner of the board first.",
  },
};
