import type { FastifyRequest } from "fastify";
import { findCookie, formatCookie } from "../http/session-cookie.ts";

/** The page of a person's account, to which a login may lead back too. */
export const accountPath = "/account";

/** The addresses of the pages of the browser. */
export const webPaths = [
  "/",
  "/boards/*",
  "/tasks/*",
  "/new",
  "/fleet",
  "/fleet/*",
  "/usage",
  "/me",
  "/admin",
  "/admin/*",
] as const;

const name = "wharf_return";
const lifetimeSeconds = 15 * 60;
const maxLength = 2_000;

/**
 * Remembers in the browser which page the person wanted, until the login is done. The cookie is no
 * secret, and has one name on encrypted and other connections.
 */
export const formatReturnCookie = ({ headers, url }: Pick<FastifyRequest, "headers" | "url">): string =>
  formatCookie(headers, {
    name,
    value: isReturnPath(url) ? encodeURIComponent(url) : "",
    maxAgeSeconds: lifetimeSeconds,
    isSecure: false,
  });

export const formatEndedReturnCookie = (headers: FastifyRequest["headers"]): string =>
  formatCookie(headers, { name, value: "", maxAgeSeconds: 0, isSecure: false });

/**
 * Returns the page that the person wanted before the login, or the board. Programs on other ports
 * of this host can write the cookie too, so only addresses of our pages count.
 */
export function findReturnPath(headers: FastifyRequest["headers"]): string {
  const value = findCookie(headers, name);
  const path = value === undefined ? undefined : decode(value);
  return path !== undefined && isReturnPath(path) ? path : "/";
}

function isReturnPath(path: string): boolean {
  // A browser reads `//host` and `/\host` as another site, and drops tabs and line breaks.
  if (path.length > maxLength || !/^\/(?![/\\])[\x21-\x7e]*$/.test(path) || path.includes("\\")) return false;
  const { pathname } = new URL(path, "http://localhost");
  return [accountPath, ...webPaths].some((known) =>
    known.endsWith("/*") ? pathname.startsWith(known.slice(0, -1)) : pathname === known,
  );
}

function decode(value: string): string | undefined {
  try {
    return decodeURIComponent(value);
  } catch {
    return undefined;
  }
}
