import type { IncomingHttpHeaders } from "node:http";
import { WharfError } from "@wharf/contract";
import { parsePreviewName } from "./preview-name.ts";

/** Where the server and its previews are, if that is not only this machine. */
export interface PreviewSite {
  /** The URL at which people open the server. */
  readonly publicUrl: URL;
  /** Each name below it leads to the server. */
  readonly domain: string;
}

interface Place {
  readonly protocol: string;
  readonly domain: string;
  /** With a colon, or empty for the default one. */
  readonly port: string;
}

const loopbackNames: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);
const loopbackDomain = "localhost";

/**
 * The host names of previews, each below a domain that has nothing else: `localhost` for browsers
 * of this machine, which resolve every name below it to themselves, or the domain of the settings.
 * No page of Wharf has such a name.
 */
export class PreviewAddresses {
  readonly #site: PreviewSite | undefined;
  /** The port on which the server listens. */
  readonly #getPort: () => number;

  constructor({ site, getPort }: { readonly site?: PreviewSite | undefined; readonly getPort: () => number }) {
    this.#site = site;
    this.#getPort = getPort;
  }

  /** Returns the name of the preview that a request asks for, if it asks for one. */
  findName({ host = "" }: IncomingHttpHeaders): string | undefined {
    const [name = "", ...parents] = host.toLowerCase().replace(/:\d+$/, "").split(".");
    const domain = parents.join(".");
    if (domain !== loopbackDomain && domain !== this.#site?.domain) return undefined;
    return parsePreviewName(name) && name;
  }

  /** Creates the URL of a preview for the client that asks for it. */
  createUrl(name: string, headers: IncomingHttpHeaders): string {
    const place = this.#findPlace(headers);
    if (!place) throw new WharfError("preview_address_missing", { host: (headers.host ?? "").slice(0, 300) });
    return `${place.protocol}//${name}.${place.domain}${place.port}/`;
  }

  /** Returns the source of frames for the policy of a page: all previews that it can open. */
  formatFrameSource(headers: IncomingHttpHeaders): string | undefined {
    const place = this.#findPlace(headers);
    return place && `${place.protocol}//*.${place.domain}${place.port}`;
  }

  /** Returns the pages that may show a preview in a frame, for its policy. */
  formatFrameAncestors({ host = "" }: IncomingHttpHeaders): string {
    const port = getPort(host);
    const isLocal = host.toLowerCase().endsWith(`.${loopbackDomain}${port}`);
    if (!isLocal && this.#site) return this.#site.publicUrl.origin;
    return `http://localhost${port} http://127.0.0.1${port}`;
  }

  #findPlace({ host = "" }: IncomingHttpHeaders): Place | undefined {
    const port = getPort(host);
    if (loopbackNames.has(host.toLowerCase().slice(0, host.length - port.length))) {
      // A client that uses the socket in the data folder names no port.
      return { protocol: "http:", domain: loopbackDomain, port: port || `:${this.#getPort()}` };
    }
    if (!this.#site) return undefined;
    const { publicUrl, domain } = this.#site;
    return { protocol: publicUrl.protocol, domain, port: publicUrl.port && `:${publicUrl.port}` };
  }
}

const getPort = (host: string): string => /:\d+$/.exec(host)?.[0] ?? "";
