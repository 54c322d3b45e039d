import { WharfError } from "@wharf/contract";
import type { FastifyInstance } from "fastify";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const notUtf8 = { issues: [{ path: "", message: "the body is not valid UTF-8" }] };

/**
 * Reads JSON bodies strictly: other parsers substitute a replacement character for invalid bytes.
 */
export function setJsonBodyParser(app: FastifyInstance): void {
  app.removeContentTypeParser("text/plain");
  const parse = app.getDefaultJsonParser("error", "error");
  app.addContentTypeParser<Buffer>("application/json", { parseAs: "buffer" }, (request, body, callback) => {
    let text: string;
    try {
      text = utf8.decode(body);
    } catch (cause) {
      return callback(new WharfError("bad_request", notUtf8, { cause }));
    }
    return void parse(request, text, callback);
  });
}
