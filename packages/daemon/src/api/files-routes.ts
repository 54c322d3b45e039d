import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type filesApi, rawFilesApi, WharfError } from "@wharf/contract";
import {
  copyPath,
  createFolder,
  deletePath,
  getFileStats,
  listFolder,
  listTree,
  movePath,
  openDownload,
  packFolder,
  readFile,
  replaceText,
  unpackFolder,
  writeFile,
  writeStream,
  type FileSettings,
} from "../files/index.ts";
import { createRawHandler, type RawHandler, type RawRouteHandlers } from "./raw-routes.ts";
import type { RouteHandlers } from "./route-handlers.ts";

/** Creates the file routes with JSON or NDJSON. */
export const createFileHandlers = (settings: FileSettings): RouteHandlers<typeof filesApi> => ({
  readFile: ({ body }, signal) => readFile(settings, body, signal),
  fileStats: ({ body }) => getFileStats(settings.workspace, body),
  writeFile: ({ body }) => writeFile(settings, body),
  deletePath: ({ body }, signal) => deletePath(settings.workspace, body, signal),
  listFolder: ({ body }, signal) => listFolder(settings.workspace, body, signal),
  listTree: ({ body }, signal) => listTree(settings.workspace, body, signal),
  replaceText: ({ body }) => replaceText(settings, body),
  createFolder: ({ body }) => createFolder(settings.workspace, body),
  movePath: ({ body }) => movePath(settings.workspace, body),
  copyPath: ({ body }, signal) => copyPath(settings, body, signal),
});

/** Creates the file routes with raw bytes. */
export const createRawFileHandler = (settings: FileSettings): RawHandler =>
  createRawHandler(rawFilesApi, createRawHandlers(settings));

const createRawHandlers = (settings: FileSettings): RawRouteHandlers<typeof rawFilesApi> => ({
  async download({ query, request, response, signal }) {
    const { range, "if-range": ifRange } = request.headers;
    await using download = await openDownload(settings, { path: query.path, range, ifRange: ifRange?.toString() });
    response.writeHead(download.status, download.headers);
    await pipeline(Readable.from(download.bytes(), { objectMode: false }), response, { signal });
  },
  async upload({ query, request }) {
    const announced = Number(request.headers["content-length"] ?? 0);
    const { path } = query;
    if (announced > settings.maxFileBytes)
      throw new WharfError("file_too_large", { path, limit_bytes: settings.maxFileBytes });
    const { "if-match": ifMatch } = request.headers;
    return await writeStream(settings, { ...query, if_match: ifMatch }, readBody(request));
  },
  async packFolder({ query, response, signal }) {
    const bytes = await packFolder(settings, query, signal);
    response.writeHead(200, { "content-type": "application/x-tar" });
    await pipeline(Readable.from(bytes, { objectMode: false }), response, { signal });
  },
  unpackFolder: ({ query, request, signal }) =>
    unpackFolder(settings, query.path, { bytes: readBody(request), signal }),
});

/**
 * Yields the body's bytes. The request stays open for its response even when a reader stops before
 * the end.
 */
async function* readBody(request: IncomingMessage): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of request.iterator({ destroyOnReturn: false }))
    yield Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece));
}
