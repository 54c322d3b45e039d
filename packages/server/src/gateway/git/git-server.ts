import type { IncomingMessage, ServerResponse } from "node:http";
import { Transform, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { WharfError } from "@wharf/contract";
import type { SecretMatcher } from "../../redaction/index.ts";
import type { GatewayContext, GatewayHooks } from "../context.ts";
import { type GatewayRequest, refuseWithError } from "../refusal.ts";
import type { GitConfig } from "./environment.ts";
import { runHttpBackend } from "./http-backend.ts";
import { createLocks } from "./locks.ts";
import type { Mirrors } from "./mirrors.ts";
import { PushRefused, readPushHead, createRefusalReport, type PushHead } from "./push-commands.ts";
import { isShadowBranch } from "./remote.ts";
import { Slots } from "./slots.ts";

/**
 * Maximum body of a fetch, counted after decompression. A fetch names commits and sends nothing
 * large.
 */
const maxFetchBodyBytes = 8 * 1024 * 1024;
/** Maximum time that a fetch waits for a slot among the fetches of all runners. */
const fetchTurnTimeoutMs = 60_000;
/** Maximum number of concurrent git requests of one runner. */
const maxPerRunner = 6;

/** What the scan of pushes for secrets needs to know. */
export interface PushScanOptions {
  /** Returns the matcher of the secrets that the server knows now. */
  readonly getMatcher: () => SecretMatcher;
  /** Returns the fingerprints of what people have allowed in the pushes of a task. */
  readonly findAllowed: (taskId: string) => Promise<ReadonlySet<string>>;
}

export interface GitServerOptions {
  readonly mirrors: Mirrors;
  readonly hooks: GatewayHooks;
  readonly maxPushBytes: number;
  /** Without it, pushes are not scanned for secrets. */
  readonly pushScan?: PushScanOptions | undefined;
  /** Maximum number of concurrent fetches of all runners. */
  readonly maxFetches: number;
  /** Limit of one fetch or push of a runner. */
  readonly timeoutMs: number;
}

interface GitService {
  readonly repositoryId: string;
  readonly name: "git-upload-pack" | "git-receive-pack";
  readonly path: string;
  readonly query: string;
}

/**
 * Accepts the two requests that a fetch consists of and the two of a push; there is no other way
 * into a mirror.
 */
function parseService(method: string | undefined, url: string): GitService | undefined {
  const match = /^\/git\/([0-9a-f]{20})\.git\/(info\/refs\?service=)?(git-upload-pack|git-receive-pack)$/.exec(url);
  if (!match) return undefined;
  const [, repositoryId = "", listing, name] = match;
  if (name !== "git-upload-pack" && name !== "git-receive-pack") return undefined;
  if (method !== (listing ? "GET" : "POST")) return undefined;
  return listing
    ? { repositoryId, name, path: "info/refs", query: `service=${name}` }
    : { repositoryId, name, path: name, query: "" };
}

/** Serves the task's own mirror, and accepts pushes to the task's own branch. */
export function createGitServer(
  serving: GitServerOptions,
): (context: GatewayContext, req: IncomingMessage, res: ServerResponse) => Promise<void> {
  const { hooks } = serving;
  const locks = createLocks();
  const busy = new Map<string, number>();
  const fetches = new Slots(serving.maxFetches);

  return async (context, req, res) => {
    const service = parseService(req.method, req.url ?? "");
    const host = `git/${service?.repositoryId ?? ""}`;
    const deny = (reason: string) => {
      hooks.denied(context, { host, reason });
      refuseWithError({ req, res }, new WharfError("egress_denied", { host }));
    };
    if (!service) return deny(`unsupported git request: ${req.method} ${(req.url ?? "").slice(0, 200)}`);
    if (service.repositoryId !== context.repository_id) return deny("this is not the task's repository");
    const pushing = service.name === "git-receive-pack";
    const branch = context.shadow_branch;
    if (pushing && (branch === undefined || !isShadowBranch(branch))) return deny("this run may not push");

    const maxBodyBytes = pushing ? serving.maxPushBytes : maxFetchBodyBytes;
    if (Number(req.headers["content-length"] ?? 0) > maxBodyBytes)
      return refuseWithError({ req, res }, new WharfError("body_too_large", { limit_bytes: maxBodyBytes }));

    const running = busy.get(context.runner_id) ?? 0;
    if (running >= maxPerRunner)
      return refuseWithError({ req, res }, new WharfError("rate_limited", { retry_after_s: 1 }));
    busy.set(context.runner_id, running + 1);
    const goneController = new AbortController();
    res.once("close", () => goneController.abort(new Error("the runner disconnected")));
    if (res.destroyed) goneController.abort(new Error("the runner disconnected"));
    try {
      const request = { serving, service, context, req, res, gone: goneController.signal };
      if (pushing && service.query === "") {
        await locks.run(`${service.repositoryId} ${branch}`, () => handlePush(request), goneController.signal);
        return;
      }
      using _turn = await fetches.acquire("all", {
        signal: goneController.signal,
        limit: {
          timeoutMs: fetchTurnTimeoutMs,
          createError: () => new WharfError("rate_limited", { retry_after_s: 10 }),
        },
      });
      const environment = createServiceEnvironment(request);
      const body = createBodyStream(req, maxFetchBodyBytes);
      await runHttpBackend({ environment, body, timeoutMs: serving.timeoutMs, beforeEnd: async () => undefined }, res);
    } catch (error) {
      if (error !== goneController.signal.reason) throw error;
    } finally {
      const remainingCount = (busy.get(context.runner_id) ?? 1) - 1;
      if (remainingCount > 0) busy.set(context.runner_id, remainingCount);
      else busy.delete(context.runner_id);
    }
  };
}

interface GitRequest extends GatewayRequest {
  /** Aborts when the runner has disconnected. */
  readonly gone: AbortSignal;
  readonly serving: GitServerOptions;
  readonly service: GitService;
  readonly context: GatewayContext;
}

async function handlePush(request: GitRequest): Promise<void> {
  const { serving, service, context, req, res } = request;
  const { mirrors, hooks } = serving;
  if (res.destroyed) return;
  const branch = context.shadow_branch ?? "";
  const ref = `refs/heads/${branch}`;
  const body = createBodyStream(req, serving.maxPushBytes) ?? req;
  let head: PushHead;
  try {
    head = await readPushHead(body);
    requireOwnRef(head, ref);
  } catch (error) {
    if (!(error instanceof PushRefused)) throw error;
    hooks.denied(context, {
      host: `git/${service.repositoryId}`,
      reason: `push of ${error.refs.join(", ").slice(0, 200) || "nothing"}: ${error.message}`,
    });
    return reportRefusal(error, body, res);
  }

  const obstacle = head.command && (await mirrors.findPushObstacle(service.repositoryId));
  if (head.command && obstacle !== undefined) {
    hooks.denied(context, { host: `git/${service.repositoryId}`, reason: `push of ${ref}: ${obstacle}` });
    return reportRefusal(new PushRefused(obstacle, [ref], head.capabilities), body, res);
  }
  await using _push = await mirrors.startPush(service.repositoryId, request.gone);
  const previousHead = await mirrors.head(service.repositoryId, branch);
  const reportPush = async () => {
    if (!head.command) return;
    const currentHead = await mirrors.head(service.repositoryId, branch);
    if (currentHead !== head.command.new || currentHead === previousHead) return;
    await hooks.pushed(context, {
      ref,
      sha: currentHead,
      ...(previousHead === undefined ? {} : { old_sha: previousHead }),
    });
  };
  const inspectQuarantine = async (quarantine: string) => {
    const reason =
      (await mirrors.inspectPush(service.repositoryId, quarantine, request.gone)) ??
      (await scanForSecrets(request, quarantine));
    if (reason !== undefined)
      hooks.denied(context, { host: `git/${service.repositoryId}`, reason: `push of ${ref}: ${reason}` });
    return reason;
  };
  const environment = createServiceEnvironment(request, [["core.hooksPath", await mirrors.prepareHooks()]]);
  const { timeoutMs } = serving;
  await runHttpBackend(
    { environment, body, head: head.bytes, inspect: inspectQuarantine, timeoutMs, beforeEnd: reportPush },
    res,
  );
}

async function scanForSecrets(
  { serving, service, context, gone }: GitRequest,
  quarantine: string,
): Promise<string | undefined> {
  const { mirrors, pushScan } = serving;
  if (!pushScan) return undefined;
  const { task_id: taskId } = context;
  const allowedFingerprints = taskId === undefined ? new Set<string>() : await pushScan.findAllowed(taskId);
  const matcher = pushScan.getMatcher();
  return mirrors.scanPush(service.repositoryId, { quarantine, matcher, allowedFingerprints, signal: gone });
}

function requireOwnRef({ command, capabilities }: PushHead, ref: string): void {
  if (!command) return;
  if (command.ref !== ref) throw new PushRefused(`only ${ref} may be pushed here`, [command.ref], capabilities);
  if (/^0+$/.test(command.new))
    throw new PushRefused("the task's branch may not be deleted", [command.ref], capabilities);
}

/**
 * Reads and discards the rest of the push first, because the sender reads the answer only after it
 * has sent everything.
 */
async function reportRefusal(error: PushRefused, body: Readable, res: ServerResponse): Promise<void> {
  for await (const chunk of body) void chunk;
  if (res.destroyed) return;
  res.writeHead(200, { "content-type": "application/x-git-receive-pack-result", "cache-control": "no-cache" });
  res.end(createRefusalReport(error));
}

function createServiceEnvironment(
  { serving, service, context, req }: GitRequest,
  extraConfig: GitConfig = [],
): Record<string, string> {
  const { mirrors } = serving;
  const ownBranch =
    context.shadow_branch !== undefined && isShadowBranch(context.shadow_branch) ? context.shadow_branch : undefined;
  const config: GitConfig = [
    ["http.getanyfile", "false"],
    ["transfer.hideRefs", "refs/heads/shadow"],
    ["transfer.hideRefs", "refs/wharf"],
    ...(ownBranch === undefined ? [] : ([["transfer.hideRefs", `!refs/heads/${ownBranch}`]] as const)),
    ["receive.denyDeletes", "true"],
    ["receive.maxInputSize", String(mirrors.maxRepositoryMb * 1024 * 1024)],
    ["receive.advertisePushOptions", "false"],
    ["uploadpack.allowFilter", "true"],
    ...extraConfig,
  ];
  return {
    ...mirrors.servingEnvironment(config),
    GIT_PROJECT_ROOT: mirrors.folder,
    GIT_HTTP_EXPORT_ALL: "1",
    PATH_INFO: `/${service.repositoryId}.git/${service.path}`,
    QUERY_STRING: service.query,
    REQUEST_METHOD: req.method === "POST" ? "POST" : "GET",
    CONTENT_TYPE: `${req.headers["content-type"] ?? ""}`.slice(0, 200),
    // The server does not offer protocol 2, in which git serves any commit whose id is known,
    // hidden or not.
    // Git's http-backend accepts pushes only from a named user.
    ...(service.name === "git-receive-pack" ? { REMOTE_USER: "wharf", REMOTE_ADDR: "runner" } : {}),
  };
}

/** Decompresses and limits the request's body here, so that git never gets more than the limit. */
function createBodyStream(req: IncomingMessage, maxBytes: number): Readable | undefined {
  if (req.method !== "POST") return undefined;
  let size = 0;
  const bound = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      size += chunk.length;
      callback(size > maxBytes ? new WharfError("body_too_large", { limit_bytes: maxBytes }) : null, chunk);
    },
  });
  const fail = (error: Error) => bound.destroy(error);
  req.once("error", fail);
  // A request that breaks off always closes early, but emits an error only sometimes.
  req.once("close", () => (req.complete ? undefined : bound.destroy(new Error("the request was aborted"))));
  if (req.headers["content-encoding"] !== "gzip" && req.headers["content-encoding"] !== "x-gzip")
    return req.pipe(bound);
  const gunzip = createGunzip();
  gunzip.once("error", (cause) =>
    fail(new WharfError("bad_request", { issues: [{ path: "", message: "the body is not gzip" }] }, { cause })),
  );
  bound.once("close", () => gunzip.destroy());
  return req.pipe(gunzip).pipe(bound);
}
