import { createHash } from "node:crypto";

/** Text that is HTML already. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type HtmlValue = string | number | Html | readonly Html[] | undefined;

/** Builds HTML from a template, and escapes all values that are not HTML. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(parts.map((part, i) => part + (i < values.length ? toText(values[i]) : "")).join(""));
}

function toText(value: HtmlValue): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(({ text }) => text).join("");
  return String(value).replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

const style = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 26rem; margin: 15vh auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.1rem; }
label { display: block; margin: 1rem 0; }
input { display: block; width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; }
button, .button { font: inherit; padding: .5rem 1rem; margin-top: .5rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; vertical-align: top; }
[role=alert] { color: #b3261e; }
small { opacity: .75; }`;

const formatHash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** `frameAncestors` are the pages that may show this one in a frame. */
export const createPagePolicy = (more: readonly string[] = [], frameAncestors = "'none'"): string =>
  [
    "default-src 'none'",
    `style-src ${formatHash(style)}`,
    ...more,
    "form-action 'self'",
    `frame-ancestors ${frameAncestors}`,
    "base-uri 'none'",
  ].join("; ");

/** Most pages need no script and only their own style, so the browser refuses everything else. */
export const pagePolicy = createPagePolicy();

/** A script of a page, and the policy that allows it alone. */
export interface PageScript {
  readonly text: string;
  readonly policy: string;
}

export const createPageScript = (text: string): PageScript => ({
  text,
  policy: createPagePolicy([`script-src ${formatHash(text)}`, "connect-src 'self'"]),
});

/** Formats a time for a table. */
export const formatTime = (time: Date): string => time.toISOString().slice(0, 16).replace("T", " ");

export function formatPage(title: string, body: Html, script?: PageScript): string {
  const head = html`<meta charset="utf-8" /><meta name="viewport" content="width=device-width" /><title>
      ${title} – Wharf
    </title>`;
  return `<!doctype html>\n<html lang="en"><head>${head.text}<style>${style}</style></head>
<body><h1>${toText(title)}</h1>${body.text}${script ? `<script type="module">${script.text}</script>` : ""}</body></html>\n`;
}
