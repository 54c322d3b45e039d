/**
 * Fixtures for the gateway's tests: real repositories, a real git server with a login, and a
 * listening gateway.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type {
  GatewayContext,
  GatewayHooks,
  HostUse,
  ModelRoute,
  ModelUsage,
  PushedRef,
  UpstreamFault,
} from "./context.ts";
import { createGateway, type GatewayOptions } from "./gateway.ts";
import { toServedEnvironment } from "./git/environment.ts";
import { runHttpBackend } from "./git/http-backend.ts";
import { type AddressPolicy, type Mirrors, openMirrors } from "./git/index.ts";
import type { MirrorsOptions } from "./git/mirrors.ts";

const run = promisify(execFile);

const identity = {
  GIT_AUTHOR_NAME: "Ada",
  GIT_AUTHOR_EMAIL: "ada@example.org",
  GIT_COMMITTER_NAME: "Ada",
  GIT_COMMITTER_EMAIL: "ada@example.org",
};

/** Runs git as a person or a daemon does, without this machine's own configuration. */
export async function git(folder: string, ...args: string[]): Promise<string> {
  const env = {
    PATH: process.env["PATH"],
    HOME: "/nonexistent",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    LC_ALL: "C",
    ...identity,
  };
  const { stdout, stderr } = await run("git", ["-c", "init.defaultBranch=main", ...args], {
    cwd: folder,
    env,
    maxBuffer: 64 * 1024 * 1024,
  });
  return args.includes("push") ? stdout + stderr : stdout.trim();
}

/** Returns the output of a git that failed. */
export const gitError = (folder: string, ...args: string[]): Promise<string> =>
  git(folder, ...args).then(
    (output) => {
      throw new Error(`git ${args[0]} was expected to fail and said: ${output}`);
    },
    (error: { stderr?: string; stdout?: string }) => `${error.stdout ?? ""}${error.stderr ?? ""}`,
  );

export async function commit(folder: string, files: Record<string, string>, message = "change"): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  await git(folder, "add", "--all");
  await git(folder, "commit", "--quiet", "--message", message);
  return git(folder, "rev-parse", "HEAD");
}

/** A folder that is removed after the test. */
export class Scratch implements AsyncDisposable {
  readonly path: string;
  readonly #closing: (() => Promise<unknown>)[] = [];

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Scratch> {
    return new Scratch(await mkdtemp(join(tmpdir(), "wharf-gateway-")));
  }

  async repository(name: string, files: Record<string, string> = { "README.md": "hello\n" }): Promise<string> {
    const folder = join(this.path, name);
    await mkdir(folder, { recursive: true });
    await git(folder, "init", "--quiet");
    if (Object.keys(files).length > 0) await commit(folder, files, "first");
    return folder;
  }

  /** Opens the mirrors below this folder, which may be of any repository. */
  openMirrors(options: Partial<MirrorsOptions> = {}): Mirrors {
    return openMirrors({
      policy: anyAddress,
      folder: join(this.path, "mirrors"),
      maxRepositoryMb: 100,
      gitEnvironment: hostGit,
      ...options,
    });
  }

  async listen(listener: RequestListener): Promise<{ url: string; server: Server }> {
    const server = createServer(listener);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.onClose(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    return { url: `http://127.0.0.1:${address.port}`, server };
  }

  onClose(work: () => Promise<unknown>): void {
    this.#closing.push(work);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing.toReversed()) await close();
    await rm(this.path, { recursive: true, force: true });
  }
}

interface GitServerOptions {
  /** The accepted login, which may depend on the given one. */
  readonly login?: string | ((given: string) => string);
  /** Hooks of all repositories. */
  readonly hooks?: string;
}

/**
 * Starts a git server on loopback that serves a folder of repositories, and requires the login if
 * one is set.
 */
export async function gitServer(scratch: Scratch, { login, hooks }: GitServerOptions = {}): Promise<string> {
  const { url } = await scratch.listen((req, res) => {
    const given = Buffer.from((req.headers.authorization ?? "").replace("Basic ", ""), "base64").toString();
    if (login !== undefined && given !== (typeof login === "string" ? login : login(given))) {
      res.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
      return;
    }
    const [path = "", query = ""] = (req.url ?? "").split("?");
    const environment = {
      ...toServedEnvironment({ PATH: process.env["PATH"] ?? "" }, [
        ["http.receivepack", "true"],
        ...(hooks === undefined ? [] : ([["core.hooksPath", hooks]] as const)),
      ]),
      GIT_PROJECT_ROOT: scratch.path,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: req.method ?? "GET",
      CONTENT_TYPE: req.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: req.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(req.headers["git-protocol"] ?? ""),
    };
    runHttpBackend({ environment, body: req, timeoutMs: 60_000, beforeEnd: async () => undefined }, res).catch(() =>
      res.destroy(),
    );
  });
  return url;
}

export interface Seen {
  readonly pushed: PushedRef[];
  readonly denied: { host: string; reason: string }[];
  readonly used: ModelUsage[];
  /** Outcomes of requests for an answer. */
  readonly outcomes: { answered: boolean; fault?: UpstreamFault }[];
  readonly slow: UpstreamFault[];
  /** Faults because of which another upstream was asked. */
  readonly switched: UpstreamFault[];
  readonly hosts: HostUse[];
}

export const somebody: GatewayContext = {
  runner_id: "runner-1",
  run_id: "run-1",
  task_id: "task-1",
  token: "run-token-1",
};

/** Starts a gateway on a separate port. */
export async function listeningGateway(
  scratch: Scratch,
  options: {
    mirrors: Mirrors;
    context?: Partial<GatewayContext>;
    routes?: Record<string, ModelRoute>;
    limits?: Partial<GatewayOptions>;
    reserveRequest?: NonNullable<GatewayHooks["reserveRequest"]>;
  },
): Promise<{ url: string; seen: Seen; server: Server }> {
  const seen: Seen = { pushed: [], denied: [], used: [], outcomes: [], slow: [], switched: [], hosts: [] };
  const gateway = createGateway({
    mirrors: options.mirrors,
    routes: options.routes ?? {},
    ...options.limits,
    hooks: {
      pushed: async (_context, push) => void seen.pushed.push(push),
      denied: (_context, what) => void seen.denied.push(what),
      modelRequest: (_context, use) => void seen.used.push(use),
      hostUse: (_context, use) => void seen.hosts.push(use),
      ...(options.reserveRequest && { reserveRequest: options.reserveRequest }),
      watchAnswer: () => ({
        slow: (fault) => void seen.slow.push(fault),
        switched: (fault) => void seen.switched.push(fault),
        end: (outcome) => void seen.outcomes.push(outcome),
      }),
    },
  });
  const context = async () => ({ ...somebody, ...options.context });
  const { url, server } = await scratch.listen((req, res) => gateway.handle(context, req, res));
  server.on("connect", (req, socket, head) => gateway.handleConnect(context, req, { socket, head }));
  scratch.onClose(async () => gateway.close());
  return { url, seen, server };
}

/** Allows every repository. */
export const anyAddress: AddressPolicy = {
  hosts: [{ pattern: "*", allowsPrivate: true, allowsLoopback: true, allowsHttp: true }],
  localFolders: ["/"],
};

/** The environment of a person's server, as far as git is concerned. */
export const hostGit = { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent" };

/** Returns the error of something that must fail. */
export const getRejection = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => {
      throw new Error("it succeeded");
    },
    (error: unknown) => error,
  );

/** An answer that is sent as fast as it is read. */
export class Flood {
  sentBytes = 0;

  /** Repeats the chunk until there are `total` bytes. */
  send(res: ServerResponse, { chunk, total, end = "" }: { chunk: Buffer; total: number; end?: string }): void {
    const writeMore = () => {
      while (!res.destroyed && this.sentBytes < total) {
        this.sentBytes += chunk.length;
        if (!res.write(chunk)) return void res.once("drain", writeMore);
      }
      res.end(end);
    };
    writeMore();
  }
}

export async function waitUntil(condition: () => boolean | Promise<boolean>, timeoutMs = 5_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`it did not become true within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}
