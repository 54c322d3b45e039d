const maxRedirects = 15;

/** A page that a browser shows. */
export interface Page {
  readonly url: URL;
  readonly status: number;
  readonly text: string;
}

/**
 * A browser without scripts: keeps the cookies of each origin, follows redirects, and fills in
 * forms. It says of each request which page started it, as browsers do.
 */
export class TestBrowser {
  readonly #cookies = new Map<string, Map<string, string>>();

  open(address: string): Promise<Page> {
    return this.#load(new URL(address), {});
  }

  /** Follows the first link of a page whose address or text contains this. */
  follow({ url, text }: Page, part: string): Promise<Page> {
    const links = [...text.matchAll(/<a\s[^>]*href="([^"]*)"[^>]*>(.*?)<\/a>/gs)];
    const [, href] = links.find(([, address = "", words = ""]) => address.includes(part) || words.includes(part)) ?? [];
    if (href === undefined) throw new Error(`${url.href} has no link ${part}:\n${text}`);
    return this.#load(new URL(decodeEntities(href), url), { from: url });
  }

  /** Submits the form of a page that has all of these fields, or the first one. */
  submit({ url, text }: Page, fields: Readonly<Record<string, string>> = {}): Promise<Page> {
    const forms = [...text.matchAll(/<form\s([^>]*)>(.*?)<\/form>/gs)];
    const isMatch = (content: string) => Object.keys(fields).every((name) => content.includes(`name="${name}"`));
    const [, attributes = "", content = ""] = forms.find(([, , inside = ""]) => isMatch(inside)) ?? [];
    if (content === "") throw new Error(`${url.href} has no such form:\n${text}`);
    const hidden = [...content.matchAll(/<input\s([^>]*)>/gs)]
      .map(([, input = ""]) => [readAttribute(input, "name"), readAttribute(input, "value")] as const)
      .filter((pair): pair is readonly [string, string] => pair[0] !== undefined && pair[1] !== undefined);
    const body = new URLSearchParams({ ...Object.fromEntries(hidden), ...fields });
    const action = new URL(decodeEntities(readAttribute(attributes, "action") ?? url.href), url);
    if (readAttribute(attributes, "method")?.toLowerCase() === "post") return this.#load(action, { from: url, body });
    action.search = body.toString();
    return this.#load(action, { from: url });
  }

  async #load(first: URL, { from, body }: { from?: URL; body?: URLSearchParams }): Promise<Page> {
    let url = first;
    let form = body;
    let isForeign = false;
    for (let i = 0; i < maxRedirects; i++) {
      isForeign ||= from !== undefined && from.origin !== url.origin;
      const site = from === undefined ? "none" : isForeign ? "cross-site" : "same-origin";
      const response = await fetch(url, {
        method: form ? "POST" : "GET",
        redirect: "manual",
        headers: {
          cookie: this.#formatCookies(url),
          "sec-fetch-site": site,
          ...(form && { origin: from?.origin ?? url.origin }),
        },
        ...(form && { body: form }),
      });
      this.#keepCookies(url, response);
      const location = response.headers.get("location");
      if (location === null || response.status < 300 || response.status >= 400)
        return { url, status: response.status, text: await response.text() };
      await response.arrayBuffer();
      url = new URL(location, url);
      form = undefined;
    }
    throw new Error(`too many redirects, the last one to ${url.href}`);
  }

  #formatCookies({ origin }: URL): string {
    return [...(this.#cookies.get(origin) ?? [])].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  #keepCookies({ origin }: URL, response: Response): void {
    const kept = this.#cookies.get(origin) ?? new Map<string, string>();
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === "" || /max-age=0/i.test(line)) kept.delete(name);
      else kept.set(name, value);
    }
    this.#cookies.set(origin, kept);
  }
}

const readAttribute = (attributes: string, name: string): string | undefined => {
  const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(attributes)?.[1];
  return value === undefined ? undefined : decodeEntities(value);
};

const decodeEntities = (text: string): string =>
  text.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))).replaceAll("&amp;", "&");
