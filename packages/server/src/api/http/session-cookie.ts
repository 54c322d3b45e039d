import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { organizationHeader, WharfError } from "@wharf/contract";
import type { Credentials } from "../../access/index.ts";
import type { RequestPage } from "./guard.ts";

type CookieName = "wharf_device" | "wharf_oidc" | "wharf_organization" | "wharf_return" | "wharf_session";

interface Cookie {
  readonly name: CookieName;
  readonly value: string;
  readonly maxAgeSeconds: number;
  /** Whether the page is encrypted. @default as the Origin of the request says */
  readonly isSecure?: boolean | undefined;
}

/**
 * Formats a cookie of a browser. Scripts cannot read it. Of the requests that other sites start,
 * only links to Wharf carry it. Cookies belong to a host with all of its ports, so the name has the
 * port: two servers on one machine do not log each other out.
 */
export function formatCookie(headers: IncomingHttpHeaders, cookie: Cookie): string {
  const { name, value, maxAgeSeconds, isSecure = headers.origin?.startsWith("https:") === true } = cookie;
  const parts = [`${getCookieName(headers, name, isSecure)}=${value}`, "Path=/", "HttpOnly", "SameSite=Lax"];
  return [...parts, `Max-Age=${maxAgeSeconds}`, ...(isSecure ? ["Secure"] : [])].join("; ");
}

/** Formats the cookie of a browser's session. */
export const formatSessionCookie = (headers: IncomingHttpHeaders, cookie: Omit<Cookie, "name">): string =>
  formatCookie(headers, { name: "wharf_session", ...cookie });

/** Formats the cookie that removes the one of an ended session. */
export const formatEndedCookie = (headers: IncomingHttpHeaders): string =>
  formatSessionCookie(headers, { value: "", maxAgeSeconds: 0 });

export const findSessionCookie = (headers: IncomingHttpHeaders): string | undefined =>
  findCookie(headers, "wharf_session");

/** Returns what a person chose on a page, whose links and WebSockets have no header. */
export const findOrganizationCookie = (headers: IncomingHttpHeaders): string | undefined =>
  findCookie(headers, "wharf_organization");

/** Returns the value of the cookie; that of an encrypted connection comes first. */
export function findCookie(headers: IncomingHttpHeaders, cookieName: CookieName): string | undefined {
  const cookies = new Map<string, string>();
  for (const pair of (headers.cookie ?? "").split(";")) {
    const [name = "", value = ""] = pair.split("=", 2).map((text) => text.trim());
    // Of several cookies of one name, browsers send the one with the longest path first.
    if (!cookies.has(name)) cookies.set(name, value);
  }
  const value =
    cookies.get(getCookieName(headers, cookieName, true)) ?? cookies.get(getCookieName(headers, cookieName, false));
  return value === undefined || value === "" ? undefined : value;
}

/**
 * Returns the headers with which a server forwards a browser's request to another one. The cookie
 * gets the name that it has there. A page of this server, which the guard has checked, counts as a
 * page of that server.
 */
export function createForwardedHeaders(headers: IncomingHttpHeaders, { host, origin }: URL): OutgoingHttpHeaders {
  const cookies = [
    { name: getCookieName({ host }, "wharf_session", false), value: findSessionCookie(headers) },
    { name: getCookieName({ host }, "wharf_organization", false), value: findOrganizationCookie(headers) },
  ].flatMap(({ name, value }) => (value === undefined ? [] : [`${name}=${value}`]));
  return {
    ...(cookies.length > 0 && { cookie: cookies.join("; ") }),
    ...(headers.origin !== undefined && { origin }),
  };
}

/** Returns what a request says about its sender. */
export const getCredentials = (headers: IncomingHttpHeaders): Credentials => ({
  authorization: headers.authorization,
  sessionCookie: findSessionCookie(headers),
  [organizationHeader]: headers[organizationHeader],
  organizationCookie: findOrganizationCookie(headers),
});

/** `__Host-` makes the browser refuse the cookie from plain HTTP and from other subdomains. */
function getCookieName({ host = "" }: IncomingHttpHeaders, name: CookieName, isSecure: boolean): string {
  const port = /:(\d+)$/.exec(host)?.[1];
  return `${isSecure ? "__Host-" : ""}${name}${port === undefined ? "" : `_${port}`}`;
}

/**
 * Refuses a request with a cookie that another page started (CSRF). Browsers send `Origin` with
 * every request that can change something and with every WebSocket, and the guard has compared it;
 * those that know `Sec-Fetch-Site` say more.
 */
export function requireOwnPage(
  { method = "GET", headers }: { method?: string | undefined; headers: IncomingHttpHeaders },
  page: RequestPage = "own",
): void {
  // The settings let this site act for the people who are logged in.
  if (page === "named") return;
  if (page === "any") throw new WharfError("cross_site_request", {});
  const site = headers["sec-fetch-site"];
  const isForeign = site !== undefined && site !== "same-origin" && site !== "none";
  const isSafe = (method === "GET" || method === "HEAD") && headers.upgrade === undefined;
  if (isForeign || (!isSafe && headers.origin === undefined)) throw new WharfError("cross_site_request", {});
}
