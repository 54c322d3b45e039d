import type { IncomingMessage } from "node:http";
import { WharfError } from "@wharf/contract";

export interface GuardOptions {
  /** The address on which the server listens. */
  readonly host: string;
  /**
   * Further accepted host names. A name with a scheme (`https://wharf.example.com`) allows only
   * pages of that scheme.
   */
  readonly allowedHosts: readonly string[];
  /** Origins of other sites whose pages may use the API; `*` names all. */
  readonly corsOrigins?: readonly string[];
}

/** Whose page sends a request, if one does: this server's, one that the settings name, or any. */
export type RequestPage = "own" | "named" | "any";

/**
 * Decides which requests are read at all, before it matters who sends them. The Host check rejects
 * pages that pointed one of their names at this server (DNS rebinding). The Origin check rejects
 * foreign pages that a person's browser has open: a page belongs to this server if it has the
 * scheme, the name and the port of the request itself, so a program on another port of this machine
 * is foreign.
 */
export class Guard {
  /** The schemes of this server's own pages, by name. */
  readonly #schemes: ReadonlyMap<string, ReadonlySet<string>>;
  readonly #corsOrigins: ReadonlySet<string>;

  constructor(options: GuardOptions) {
    this.#corsOrigins = new Set(options.corsOrigins);
    const direct = ["localhost", "127.0.0.1", "::1", options.host].map((name) => `http://${toUrlHost(name)}`);
    const schemes = new Map<string, Set<string>>();
    // A bare name may belong to a proxy that adds TLS.
    const named = options.allowedHosts.flatMap((name) =>
      name.includes("://") ? [name] : [`http://${toUrlHost(name)}`, `https://${toUrlHost(name)}`],
    );
    for (const address of [...direct, ...named]) {
      const url = parseUrl(address);
      if (!url)
        throw new WharfError("config_invalid", {
          name: "WHARF_ALLOWED_HOSTS",
          reason: `'${address}' is not a host name`,
        });
      schemes.set(url.hostname, (schemes.get(url.hostname) ?? new Set()).add(url.protocol));
    }
    this.#schemes = schemes;
  }

  /**
   * Throws if the request names another host, or comes from a page that may not send it. Only the
   * API is open to other sites.
   */
  check(request: Pick<IncomingMessage, "headers">, isApi = true): RequestPage {
    const { host = "", origin } = request.headers;
    const isName = hostForm.test(host) && this.#schemes.has(parseUrl(`http://${host}`)?.hostname ?? "");
    if (!isName) throw createOriginError(host);
    if (origin === undefined || this.#isOwnPage(origin, host)) return "own";
    if (isApi && this.#corsOrigins.has(origin)) return "named";
    if (isApi && this.#corsOrigins.has("*")) return "any";
    throw createOriginError(origin);
  }

  #isOwnPage(origin: string, host: string): boolean {
    const page = parseUrl(origin);
    // Parsing omits the scheme's default port on both sides, so a comparison under the page's
    // scheme also compares the ports.
    const target = page && parseUrl(`${page.protocol}//${host}`);
    return (
      target !== undefined &&
      page?.host === target.host &&
      this.#schemes.get(page.hostname)?.has(page.protocol) === true
    );
  }
}

/**
 * A name or an address, and a port. A URL parser also accepts `evil.example@localhost` and
 * `localhost#.evil.example`.
 */
const hostForm = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

const createOriginError = (name: string) => new WharfError("forbidden_origin", { host: name.slice(0, 300) });
const parseUrl = (address: string): URL | undefined => URL.parse(address) ?? undefined;
/** Returns the URL form of an IPv6 address. */
const toUrlHost = (name: string): string => (/^[^[\]]*:[^[\]]*:/.test(name) ? `[${name}]` : name);
