import type { ServerResponse } from "node:http";
import { Duplex, pipeline, type Readable } from "node:stream";
import { WharfError } from "@wharf/contract";
import { findLimitError, getLimits, type GitLimits } from "./limits.ts";
import { answerHook, type PushInspector } from "./push-gate.ts";
import { endProcessGroup, spawnGit } from "./spawn-git.ts";

/** A request passed to git's own `http-backend` as a CGI program. */
export interface CgiRequest {
  readonly environment: Readonly<Record<string, string>>;
  readonly body: Readable | undefined;
  /** Bytes of the body that were read already. */
  readonly head?: Buffer;
  /**
   * Present for a push: the server inspects its objects first, and git gets time to remove what it
   * had begun to store.
   */
  readonly inspect?: PushInspector;
  /**
   * Limit of the request: a runner that reads or sends more slowly occupies a git process for too
   * long.
   */
  readonly timeoutMs: number;
  /** Called when git has ended and before the answer ends. */
  readonly beforeEnd: () => Promise<void>;
}

const tidyTimeoutMs = 10_000;
const maxHeaderBytes = 16 * 1024;
const maxStderrBytes = 4 * 1024;
const passedHeaderNames = new Set(["content-type", "cache-control", "expires", "pragma"]);

/** Settles when git has exited. Rejects only before any part of the answer was sent. */
export function runHttpBackend(request: CgiRequest, res: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const limits = getLimits(request.timeoutMs);
    const { child, stdin, stdout, stderr: errors } = spawnBackend(request, limits);
    let stderr = "";
    let collected = Buffer.alloc(0);
    let isHeaderSent = false;
    let failure: unknown;

    const limit = setTimeout(() => {
      const reason = `the transfer did not end within ${request.timeoutMs / 1000} s`;
      failure ??= new WharfError("git_failed", { command: "http-backend", reason });
      stopBackend();
    }, request.timeoutMs);
    let killTimer: NodeJS.Timeout | undefined;
    // At the end of its input git removes the objects of an unfinished push; a signal would make it
    // leave them behind.
    const stopBackend = () => {
      if (killTimer) return;
      stdin.destroy();
      stdout.unpipe(res).resume();
      killTimer = setTimeout(() => endProcessGroup(child), request.inspect ? tidyTimeoutMs : 0);
    };
    const handleClientClose = () => {
      if (!res.writableFinished) stopBackend();
    };
    res.once("close", handleClientClose);
    if (res.destroyed) stopBackend();

    errors.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-maxStderrBytes)));
    // Git may answer without having read everything.
    stdin.on("error", () => undefined);
    if (request.head) stdin.write(request.head);
    if (request.body) {
      pipeline(request.body, stdin, (error) => {
        // A body that broke off or exceeded its limit must not look complete to git.
        if (
          !error ||
          error.code === "EPIPE" ||
          (error.code === "ERR_STREAM_PREMATURE_CLOSE" && child.exitCode !== null)
        )
          return;
        failure ??= error;
        stopBackend();
      });
    } else stdin.end();

    const readHeader = (chunk: Buffer) => {
      collected = Buffer.concat([collected, chunk]);
      const end = collected.indexOf("\r\n\r\n");
      if (end < 0 && collected.length <= maxHeaderBytes) return;
      stdout.off("data", readHeader);
      if (end < 0 || end > maxHeaderBytes || res.destroyed) {
        stopBackend();
        return;
      }
      isHeaderSent = true;
      const { status, headers } = parseHeader(collected.toString("latin1", 0, end));
      res.writeHead(status, headers);
      res.flushHeaders();
      const bodyStart = collected.subarray(end + 4);
      if (bodyStart.length > 0) res.write(bodyStart);
      stdout.pipe(res, { end: false });
    };
    stdout.on("data", readHeader);

    child.once("error", (error) => {
      clearTimeout(killTimer);
      clearTimeout(limit);
      res.off("close", handleClientClose);
      reject(error);
    });
    child.once("close", (code, signal) => {
      clearTimeout(killTimer);
      clearTimeout(limit);
      res.off("close", handleClientClose);
      failure ??= findLimitError({ command: "http-backend", code, signal, stderr }, limits);
      const finishResponse = () => {
        if (isHeaderSent && code === 0 && failure === undefined) res.end();
        else if (isHeaderSent || res.destroyed) res.destroy();
        else {
          const reason = stderr.trim() || `ended with ${signal ?? code}`;
          reject(
            failure instanceof Error ? failure : new WharfError("git_failed", { command: "http-backend", reason }),
          );
          return;
        }
        resolve();
      };
      request.beforeEnd().then(finishResponse, (error: unknown) => {
        failure ??= error;
        finishResponse();
      });
    });
  });
}

function spawnBackend({ environment, inspect }: CgiRequest, limits: GitLimits) {
  const child = spawnGit(["http-backend"], { environment, input: "pipe", limits, hasChannel: inspect !== undefined });
  const { stdin, stdout, stderr } = child;
  if (!stdin || !stdout || !stderr) throw new Error("git was started without pipes");
  const channel = child.stdio[3];
  if (inspect && channel instanceof Duplex) answerHook(channel, inspect);
  return { child, stdin, stdout, stderr };
}

function parseHeader(text: string): { status: number; headers: Record<string, string> } {
  const headers: Record<string, string> = {};
  let status = 200;
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "status") status = /^[2-5]\d\d/.test(value) ? Number(value.slice(0, 3)) : 500;
    else if (passedHeaderNames.has(name)) headers[name] = value;
  }
  return { status, headers };
}
