import type { IncomingMessage } from "node:http";
import { WharfError } from "@wharf/contract";
import { type Principal, isSameToken } from "../access/index.ts";

export interface GuardOptions {
  /** The address it listens on. */
  readonly host: string;
  /** Further names it answers to. One with a scheme (`https://wharf.example.com`) allows pages of that scheme only. */
  readonly allowedHosts: readonly string[];
  readonly token: string;
  /** What other servers of the installation show when they send a request on. */
  readonly peerToken?: string;
  readonly owner: Principal;
}

/**
 * Who may come in at all. The Host check keeps out pages that had a name of theirs point here (DNS rebinding). The Origin
 * check keeps out the pages of others that a person's browser has open: a page is this server's own when it has the
 * scheme, the name and the port that the request itself came to, so a program on another port of this machine is a
 * stranger. The token keeps out everyone else; a route is open without one only where the contract says so.
 */
export class Guard {
  readonly #options: GuardOptions;
  /** The schemes of this server's own pages, by name. */
  readonly #schemes: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(options: GuardOptions) {
    this.#options = options;
    const direct = ["localhost", "127.0.0.1", "::1", options.host].map((name) => `http://${toUrlHost(name)}`);
    const schemes = new Map<string, Set<string>>();
    // A bare name may be that of a proxy, which brings TLS.
    const named = options.allowedHosts.flatMap((name) =>
      name.includes("://") ? [name] : [`http://${toUrlHost(name)}`, `https://${toUrlHost(name)}`],
    );
    for (const address of [...direct, ...named]) {
      const url = parseUrl(address);
      if (!url)
        throw new WharfError("config_invalid", { name: "WHARF_ALLOWED_HOSTS", reason: `'${address}' is no name` });
      schemes.set(url.hostname, (schemes.get(url.hostname) ?? new Set()).add(url.protocol));
    }
    this.#schemes = schemes;
  }

  /** Nobody where the route is open to everybody. */
  check(request: Pick<IncomingMessage, "headers">, route: { readonly isOpen?: boolean } = {}): Principal | undefined {
    const { host = "", origin, authorization = "" } = request.headers;
    const isName = hostForm.test(host) && this.#schemes.has(parseUrl(`http://${host}`)?.hostname ?? "");
    if (!isName) throw createOriginError(host);
    if (origin !== undefined && !this.#isOwnPage(origin, host)) throw createOriginError(origin);
    if (route.isOpen) return undefined;
    const presentedToken = /^Bearer (\S+)$/i.exec(authorization)?.[1];
    const { token, peerToken } = this.#options;
    const isKnown =
      presentedToken &&
      (isSameToken(presentedToken, token) || (peerToken !== undefined && isSameToken(presentedToken, peerToken)));
    if (!isKnown) throw new WharfError("unauthenticated", {});
    return this.#options.owner;
  }

  #isOwnPage(origin: string, host: string): boolean {
    const page = parseUrl(origin);
    // The port of a scheme is left out in both, so a comparison under the page's own scheme compares the ports too.
    const target = page && parseUrl(`${page.protocol}//${host}`);
    return (
      target !== undefined &&
      page?.host === target.host &&
      this.#schemes.get(page.hostname)?.has(page.protocol) === true
    );
  }
}

/** A name or an address, and a port. A URL parser also takes `evil.example@localhost` and `localhost#.evil.example`. */
const hostForm = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

const createOriginError = (name: string) => new WharfError("forbidden_origin", { host: name.slice(0, 300) });
const parseUrl = (address: string): URL | undefined => URL.parse(address) ?? undefined;
/** The URL form of an IPv6 address. */
const toUrlHost = (name: string): string => (/^[^[\]]*:[^[\]]*:/.test(name) ? `[${name}]` : name);
