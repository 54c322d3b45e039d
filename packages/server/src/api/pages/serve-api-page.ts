import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyInstance } from "fastify";

/** The page on which people read about the API and try it. */
export const apiPagePath = "/api/docs";

/** In a package, the build has copied this folder beside the server's code. */
const folder = join(import.meta.dirname, "api-page");

/** Serves the page as one answer, whose policy allows only its own script and style. */
export function serveApiPage(app: FastifyInstance): void {
  let page: Promise<ApiPage> | undefined;
  app.get(apiPagePath, { config: { needs: "nothing", isUncounted: true } }, async (_request, reply) => {
    const { html, policy } = await (page ??= readPage());
    return reply.header("content-security-policy", policy).type("text/html; charset=utf-8").send(html);
  });
}

interface ApiPage {
  readonly html: string;
  readonly policy: string;
}

async function readPage(): Promise<ApiPage> {
  const [body, style, script] = await Promise.all(
    ["page.html", "page.css", "page.js"].map((name) => readFile(join(folder, name), "utf8")),
  );
  return {
    html: `<!doctype html>
<html lang="en"><head><meta charset="utf-8" /><meta name="viewport" content="width=device-width" />
<title>API – Wharf</title><style>${style}</style></head>
<body>${body}<script type="module">${script}</script></body></html>
`,
    policy: [
      "default-src 'none'",
      `style-src ${formatHash(style ?? "")}`,
      `script-src ${formatHash(script ?? "")}`,
      "connect-src 'self'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
    ].join("; "),
  };
}

const formatHash = (text: string): string => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
