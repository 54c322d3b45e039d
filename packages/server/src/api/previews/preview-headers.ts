import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import { getConnectionHeaders } from "@wharf/contract/wire";

/** The origin of a preview in the browser, and where the program believes that it is. */
export interface PreviewOrigins {
  /** Such as `http://p-….localhost:4000`. */
  readonly outside: string;
  /** Such as `localhost:3000`. */
  readonly inside: string;
}

/** Headers about the way to this server, which are none of the program's business. */
const wayHeader = /^(?:x-forwarded-|x-wharf-|forwarded$|x-real-ip$|via$|wharf-)/;

/**
 * Returns the headers of a request for the program. A development server answers only requests to
 * its own name, so `Host` and `Origin` name that. Nothing that proves a person to Wharf passes: the
 * caller says whether `Authorization` does.
 */
export function toProgramHeaders(
  headers: IncomingHttpHeaders,
  { origins, isWharfToken }: { readonly origins: PreviewOrigins; readonly isWharfToken: boolean },
): OutgoingHttpHeaders {
  const dropped = getConnectionHeaders(headers.connection);
  const passed = Object.fromEntries(
    Object.entries(headers).filter(([name]) => !dropped.has(name) && !wayHeader.test(name)),
  );
  const { origin, referer, cookie } = headers;
  const toInside = (url: string) =>
    url.startsWith(origins.outside) ? `http://${origins.inside}${url.slice(origins.outside.length)}` : url;
  const cookies = cookie === undefined ? "" : removeWharfCookies(cookie);
  delete passed["cookie"];
  if (isWharfToken) delete passed["authorization"];
  return {
    ...passed,
    host: origins.inside,
    connection: "close",
    ...(origin !== undefined && { origin: toInside(origin) }),
    ...(referer !== undefined && { referer: toInside(referer) }),
    ...(cookies !== "" && { cookie: cookies }),
  };
}

/** Another program's cookies for all names of the domain may arrive here, also Wharf's own. */
const removeWharfCookies = (cookie: string): string =>
  cookie
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => !isWharfCookie(pair))
    .join("; ");

const isWharfCookie = (pair: string): boolean => /^(?:__Host-|__Secure-)?wharf_/i.test(pair);

/** Headers of answers that reach beyond the preview's own origin, or keep it out of the frame. */
const droppedFromAnswers: ReadonlySet<string> = new Set([
  "alt-svc",
  "clear-site-data",
  "content-security-policy",
  "referrer-policy",
  "set-cookie",
  "strict-transport-security",
  "x-frame-options",
]);

/** Returns the headers of a program's answer for the browser. */
export function toBrowserHeaders(
  headers: IncomingHttpHeaders,
  { origins, frameAncestors }: { readonly origins: PreviewOrigins; readonly frameAncestors: string },
): OutgoingHttpHeaders {
  const dropped = getConnectionHeaders(headers.connection);
  const passed = Object.entries(headers).filter(([name]) => !dropped.has(name) && !droppedFromAnswers.has(name));
  const { location, "set-cookie": cookies, "content-security-policy": policy } = headers;
  const ownPolicies = [policy ?? []].flat().flatMap(splitPolicies).map(removeFrameAncestors).filter(Boolean);
  return {
    ...Object.fromEntries(passed),
    // The address is a secret, and stays on its own pages.
    "referrer-policy": "same-origin",
    "content-security-policy": [...ownPolicies, `frame-ancestors ${frameAncestors}`].join(", "),
    ...(location !== undefined && { location: toOutside(location, origins) }),
    ...(cookies && { "set-cookie": cookies.filter((cookie) => !isWharfCookie(cookie)).map(removeDomain) }),
  };
}

/** A program redirects to where it believes that it is. */
function toOutside(location: string, { outside, inside }: PreviewOrigins): string {
  const url = URL.parse(location);
  const port = inside.slice(inside.lastIndexOf(":"));
  const isInside = url !== null && [`localhost${port}`, `127.0.0.1${port}`].includes(url.host);
  return isInside ? `${outside}${url.pathname}${url.search}${url.hash}` : location;
}

/** A header may have several policies, which all apply. */
const splitPolicies = (header: string): string[] => header.split(",");

const removeFrameAncestors = (policy: string): string =>
  policy
    .split(";")
    .map((directive) => directive.trim())
    .filter((directive) => directive !== "" && !/^frame-ancestors(?:\s|$)/i.test(directive))
    .join("; ");

/** A cookie for the parent domain would reach other previews. */
const removeDomain = (cookie: string): string => cookie.replace(/;\s*domain=[^;]*/gi, "");
