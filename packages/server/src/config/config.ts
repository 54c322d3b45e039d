import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { type ServerSetting, WharfError } from "@wharf/contract";
import { z } from "zod";
import { type ImageNames, qualifyImage } from "../agent-types/index.ts";
import type { HostCredential } from "../backends/index.ts";
import type { AddressPolicy, GitAuthor, RegistryEntry } from "../gateway/index.ts";
import { describeSettings } from "./describe-settings.ts";
import { type DockerConfig, dockerEnvironment, toDockerConfig } from "./docker.ts";
import { gitEnvironment, toAddressPolicy } from "./git.ts";
import { type KubernetesConfig, kubernetesEnvironment, toKubernetesConfig } from "./kubernetes.ts";
import { type LoginConfig, loginEnvironment, toLoginConfig } from "./logins.ts";
import { type ModelConfig, modelEnvironment, toModelConfig } from "./models.ts";
import { oidcEnvironment } from "./oidc.ts";
import { type PreviewConfig, previewEnvironment, toPreviewConfig } from "./previews.ts";
import { readRegistries } from "./registries.ts";
import { type RequestConfig, requestEnvironment, toRequestConfig } from "./requests.ts";
import {
  type AllowedHostSetting,
  flag,
  list,
  parseAllowedHosts,
  parseHostCredentials,
  parseIdle,
  parsePool,
  parseTime,
  type PoolConfig,
} from "./setting-forms.ts";

const port = z.coerce.number().int().min(0).max(65_535);

/**
 * With a shorter time, an agent that does not end leaves none for its work; with a longer one,
 * stopping a runner would time out.
 */
const stopGrace = z.number().min(5_000, "at least 5s").max(45_000, "at most 45s");

/**
 * With a shorter time, no large repository is ever committed; with a longer one, a hanging step
 * blocks the runner's other git calls for days.
 */
const gitTimeout = z.number().min(10_000, "at least 10s").max(86_400_000, "at most 1d");

const backends = z.enum(["local", "docker", "kubernetes", "mock"]);

const shareLimit = z.coerce.number().int().min(1).max(10_000).optional();

/** All settings, by the name of their environment variable. */
const Environment = z.object({
  /**
   * The data folder: the database, the runners, the mirrors and the owner's token. By default
   * `~/.wharf`, for root `/var/lib/wharf`.
   */
  WHARF_DATA: z.string().min(1).optional(),
  /** The address on which the server listens. */
  WHARF_HOST: z.string().min(1).default("127.0.0.1"),
  /** The port on which the server listens; 0 takes a free one. */
  WHARF_PORT: port.default(4000),
  /**
   * Further host names that the server accepts, separated by commas; `https://name` accepts browser
   * pages over TLS only.
   */
  WHARF_ALLOWED_HOSTS: list.default([]),
  /**
   * Hosts that all runners may reach, separated by commas: `example.com`, `*.example.com`,
   * `example.com:8443`, or a preset such as `npm`. `+private` after an entry allows addresses of a
   * private network.
   */
  WHARF_RUNNER_HOSTS: z.string().default("").transform(parseAllowedHosts),
  /** Maximum number of concurrent runs. */
  WHARF_MAX_RUNS: z.coerce.number().int().min(1).max(10_000).default(8),
  /**
   * Maximum number of runners that are not stopped. If a run needs one more, the run that has been
   * without a turn for the longest releases its runner.
   */
  WHARF_MAX_RUNNERS: z.coerce.number().int().min(1).max(100_000).optional(),
  /** Maximum number of concurrent turns of each user, unless `wharf limit` sets another. */
  WHARF_MAX_RUNS_PER_USER: shareLimit,
  /** Maximum number of concurrent turns of each board, unless `wharf limit` sets another. */
  WHARF_MAX_RUNS_PER_BOARD: shareLimit,
  /** Maximum number of concurrent turns of each organization; `wharf limit` can only lower it. */
  WHARF_MAX_RUNS_PER_ORGANIZATION: shareLimit,
  /** `server` applies WHARF_MAX_RUNS and WHARF_MAX_RUNNERS to each server, `all` to all servers
   * together. */
  WHARF_LIMITS: z.enum(["server", "all"]).default("server"),
  /** How long a run between turns keeps its runner; by tier as `small=15m,large=2h`. */
  WHARF_IDLE: z.string().default("15m").transform(parseIdle),
  /**
   * How long Wharf keeps the runner of an accepted, cancelled or archived task. A runner with an
   * unpushed commit is kept forever.
   */
  WHARF_KEEP_RUNNERS: z.string().default("1d").transform(parseTime),
  /**
   * How long Wharf keeps the row of each request to a model. The sums by hour, which reports and
   * budgets read, stay.
   */
  WHARF_KEEP_REQUESTS: z.string().default("90d").transform(parseTime),
  /** How long Wharf keeps a runner that is missing from the database. */
  WHARF_ORPHAN_GRACE: z.string().default("3d").transform(parseTime),
  /**
   * How long a runner may take to stop (5 to 45 s): the daemon ends its agent and commits the work,
   * then the backend kills it.
   */
  WHARF_STOP_GRACE: z.string().default("12s").transform(parseTime).pipe(stopGrace),
  /**
   * Timeout of one local git step in a runner, such as scanning all files before a commit (10 s to
   * 1 day). Steps that access a remote have other limits.
   */
  WHARF_GIT_TIMEOUT: z.string().default("5m").transform(parseTime).pipe(gitTimeout),
  /**
   * The secret from which Wharf derives the runners' keys: at least 32 characters, the same on all
   * servers of a database. By default it is in the data folder.
   */
  WHARF_SECRET: z.string().min(32, "at least 32 characters").optional(),
  /** A file that contains the secret. */
  WHARF_SECRET_FILE: z.string().min(1).optional(),
  /**
   * The URL at which other servers of the database reach this one. By default, the address on which
   * it listens.
   */
  WHARF_ADVERTISED_URL: z.url().optional(),
  /**
   * Where runners are: `local` (the default), `docker`, `kubernetes`, or, in a source checkout,
   * `mock`, which creates slow runners without a sandbox for development.
   */
  WHARF_BACKEND: backends.optional(),
  /** An older name of WHARF_BACKEND; `remote` means that WHARF_BACKEND names the backend. */
  AGENT_MODE: z.enum(["local", "remote", "mock"]).optional(),
  /**
   * The socket of the SSH agent that git uses for repositories, and that `WHARF_HOST_CREDENTIALS`
   * can give to runners.
   */
  SSH_AUTH_SOCK: z.string().min(1).optional(),
  /** The registry and path of images called `wharf-…`, with a slash at the end. */
  WHARF_IMAGE_PREFIX: z
    .string()
    .regex(/^$|\/$/, "a registry and path that end with a slash, such as registry.example.com/team/")
    .default(""),
  /** The tag of images called `wharf-…`. */
  WHARF_IMAGE_TAG: z
    .string()
    .regex(/^[\w.-]*$/, "a tag, such as 0.1.0")
    .default(""),
  /** The image of runners whose agent names none. */
  WHARF_RUNNER_IMAGE: z.string().min(1).optional(),
  /** An older name of WHARF_RUNNER_IMAGE. */
  RUNNER_IMAGE: z.string().min(1).optional(),
  /**
   * The warm runners to keep, as `small=4` or, with an image, `medium:wharf-gemini:latest=2`,
   * separated by commas.
   */
  WHARF_POOL: z.string().default("").transform(parsePool),
  /**
   * Credentials of this machine's user that the runners of an agent type may read, as
   * `gemini=gitconfig,ssh;claude=ssh-agent`.
   */
  WHARF_HOST_CREDENTIALS: z.string().default("").transform(parseHostCredentials),
  HOME: z.string().optional(),
  ...dockerEnvironment,
  ...gitEnvironment,
  ...kubernetesEnvironment,
  ...loginEnvironment,
  ...modelEnvironment,
  ...oidcEnvironment,
  ...previewEnvironment,
  ...requestEnvironment,
  /** `1` refuses runners whose network does not block what it should. */
  WHARF_REQUIRE_ISOLATION: flag.default(false),
  /** `1` makes some requests to mock runners fail. */
  WHARF_MOCK_FAILURES: flag.default(false),
  /** `1` gives model keys to runs even if no sandbox is available. */
  WHARF_LOCAL_UNSAFE: flag.default(false),
  /**
   * A PostgreSQL server in place of the embedded one. `?sslmode=verify-full&sslrootcert=<file>`
   * checks its certificate.
   */
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "an address that begins with postgresql://")
    .optional(),
  /** Maximum size of a repository; a mirror may take twice as much. */
  MAX_REPO_SIZE_MB: z.coerce.number().int().min(1).default(500),
  /** How much runners may write into the log of one task. */
  WHARF_MAX_TASK_LOG_MB: z.coerce.number().int().min(1).default(1_024),
  /**
   * How much a runner may write into the log of one run; a run that reaches the limit ends with
   * `log_full`.
   */
  WHARF_MAX_RUN_LOG_MB: z.coerce.number().int().min(1).default(256),
  /**
   * The lowest level of the log, which is JSON lines on stderr: `debug`, `info`, `warn`, `error` or
   * `silent`.
   */
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
  /**
   * A JSON file that names package registries that need a login; docs/hosts.md describes it.
   */
  WHARF_REGISTRIES: z.string().min(1).optional(),
  PATH: z.string().default("/usr/local/bin:/usr/bin:/bin"),
});

export interface Config extends ModelConfig, LoginConfig, PreviewConfig, RequestConfig {
  readonly dataFolder: string;
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[];
  /** Entries of the allow-lists for all runners. */
  readonly runnerHosts: readonly AllowedHostSetting[];
  readonly maxRuns: number;
  readonly maxRunners: number | undefined;
  readonly limitScope: "server" | "all";
  readonly maxRunsPerUser: number | undefined;
  readonly maxRunsPerBoard: number | undefined;
  readonly maxRunsPerOrganization: number | undefined;
  /** Keyed by the name of the tier. */
  readonly idleMs: ReadonlyMap<string, number>;
  readonly defaultIdleMs: number;
  readonly keepRunnersMs: number;
  readonly keepRequestsMs: number;
  readonly orphanGraceMs: number;
  readonly stopGraceMs: number;
  readonly gitTimeoutMs: number;
  readonly gitAddresses: AddressPolicy;
  readonly gitAuthor?: GitAuthor;
  /** The file that names the logins for git hosts. */
  readonly gitCredentials?: string;
  readonly secret?: string;
  readonly advertisedUrl?: string;
  readonly backend: z.infer<typeof backends>;
  readonly pool: readonly PoolConfig[];
  readonly mockFailures: boolean;
  /** Keyed by the name of the agent type. */
  readonly hostCredentials: ReadonlyMap<string, readonly HostCredential[]>;
  /** The folder that contains the credentials. */
  readonly home: string;
  readonly docker: DockerConfig;
  readonly kubernetes: KubernetesConfig;
  readonly images: ImageNames;
  readonly runnerImage: string;
  readonly requireIsolation: boolean;
  readonly localUnsafe: boolean;
  readonly databaseUrl?: string;
  readonly maxRepositoryMb: number;
  readonly maxTaskLogMb: number;
  readonly maxRunLogMb: number;
  readonly logLevel: string;
  readonly registries: readonly RegistryEntry[];
  /** The PATH in which agents' programs are searched. */
  readonly searchPath: string;
  /** All settings as people see them, without secrets. */
  readonly settings: readonly ServerSetting[];
}

/** Reads the environment. No other code does. */
export function readConfig(environment: Record<string, string | undefined>): Config {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new WharfError("config_invalid", {
      name: String(issue?.path[0] ?? "?"),
      reason: issue?.message ?? "unknown",
    });
  }
  const e = parsed.data;
  const logins = toLoginConfig(e, environment);
  const images = { prefix: e.WHARF_IMAGE_PREFIX, tag: e.WHARF_IMAGE_TAG || "latest" };
  requireImageSupport(e);
  requireContainerBackend(e);
  return {
    dataFolder: resolve(e.WHARF_DATA ?? getDefaultDataFolder()),
    host: e.WHARF_HOST,
    port: e.WHARF_PORT,
    allowedHosts: e.WHARF_ALLOWED_HOSTS,
    runnerHosts: e.WHARF_RUNNER_HOSTS,
    maxRuns: e.WHARF_MAX_RUNS,
    maxRunners: e.WHARF_MAX_RUNNERS,
    limitScope: e.WHARF_LIMITS,
    maxRunsPerUser: e.WHARF_MAX_RUNS_PER_USER,
    maxRunsPerBoard: e.WHARF_MAX_RUNS_PER_BOARD,
    maxRunsPerOrganization: e.WHARF_MAX_RUNS_PER_ORGANIZATION,
    idleMs: e.WHARF_IDLE,
    defaultIdleMs: e.WHARF_IDLE.get("") ?? defaultIdleMs,
    keepRunnersMs: e.WHARF_KEEP_RUNNERS,
    keepRequestsMs: e.WHARF_KEEP_REQUESTS,
    orphanGraceMs: e.WHARF_ORPHAN_GRACE,
    stopGraceMs: e.WHARF_STOP_GRACE,
    gitTimeoutMs: e.WHARF_GIT_TIMEOUT,
    gitAddresses: toAddressPolicy(e),
    ...(e.WHARF_GIT_CREDENTIALS && { gitCredentials: resolve(e.WHARF_GIT_CREDENTIALS) }),
    ...(e.WHARF_GIT_AUTHOR && { gitAuthor: e.WHARF_GIT_AUTHOR }),
    ...readSecret(e),
    ...(e.WHARF_ADVERTISED_URL && { advertisedUrl: e.WHARF_ADVERTISED_URL }),
    backend: getBackendName(e),
    pool: e.WHARF_POOL.map((one) => (one.image ? { ...one, image: qualifyImage(one.image, images) } : one)),
    mockFailures: e.WHARF_MOCK_FAILURES,
    hostCredentials: e.WHARF_HOST_CREDENTIALS,
    home: e.HOME || homedir(),
    docker: toDockerConfig(e),
    kubernetes: toKubernetesConfig(e),
    requireIsolation: e.WHARF_REQUIRE_ISOLATION,
    images,
    runnerImage: qualifyImage(e.WHARF_RUNNER_IMAGE ?? e.RUNNER_IMAGE ?? "wharf-runner", images),
    localUnsafe: e.WHARF_LOCAL_UNSAFE,
    ...(e.DATABASE_URL && { databaseUrl: e.DATABASE_URL }),
    maxRepositoryMb: e.MAX_REPO_SIZE_MB,
    maxTaskLogMb: e.WHARF_MAX_TASK_LOG_MB,
    maxRunLogMb: e.WHARF_MAX_RUN_LOG_MB,
    logLevel: e.LOG_LEVEL,
    ...toModelConfig(e, environment),
    ...logins,
    ...toPreviewConfig(e, logins.publicUrl),
    ...toRequestConfig(e),
    registries: readRegistries(e.WHARF_REGISTRIES),
    searchPath: e.PATH,
    settings: describeSettings(Environment.shape, environment),
  };
}

/** Runners of this machine have no image. */
function requireImageSupport(e: z.infer<typeof Environment>): void {
  const backend = getBackendName(e);
  const named = e.WHARF_POOL.find(({ image }) => image !== undefined);
  if (!named || (backend !== "local" && backend !== "mock")) return;
  const reason = `the backend '${backend}' does not use images, so ${named.image} cannot be kept ready`;
  throw new WharfError("config_invalid", { name: "WHARF_POOL", reason });
}

/** Only a container on this machine can use credentials of this machine. */
function requireContainerBackend(e: z.infer<typeof Environment>): void {
  const backend = getBackendName(e);
  if (backend === "docker" || e.WHARF_HOST_CREDENTIALS.size === 0) return;
  const reason = `runners of the backend '${backend}' cannot use this machine's credentials; leave it empty or use docker`;
  throw new WharfError("config_invalid", { name: "WHARF_HOST_CREDENTIALS", reason });
}

const defaultIdleMs = 15 * 60_000;
const minSecretLength = 32;

/** Returns the setting itself, or the content of the file it names. */
function readSecret(e: z.infer<typeof Environment>): { secret?: string } {
  if (e.WHARF_SECRET) return { secret: e.WHARF_SECRET };
  if (!e.WHARF_SECRET_FILE) return {};
  const createSecretFileError = (reason: string, cause?: unknown) =>
    new WharfError("config_invalid", { name: "WHARF_SECRET_FILE", reason }, { cause });
  try {
    const secret = readFileSync(e.WHARF_SECRET_FILE, "utf8").trim();
    if (secret.length >= minSecretLength) return { secret };
  } catch (error) {
    throw createSecretFileError(`${e.WHARF_SECRET_FILE} cannot be read`, error);
  }
  throw createSecretFileError(`the secret in it has fewer than ${minSecretLength} characters`);
}

function getBackendName({
  WHARF_BACKEND: named,
  AGENT_MODE: mode = "local",
}: z.infer<typeof Environment>): Config["backend"] {
  if (named) return named;
  if (mode !== "remote") return mode;
  const reason = `it names no backend: set WHARF_BACKEND to one of ${backends.options.join(", ")}`;
  throw new WharfError("config_invalid", { name: "AGENT_MODE", reason });
}

/**
 * PostgreSQL does not run as root, and the user that it runs as instead cannot access root's home.
 */
function getDefaultDataFolder(): string {
  return process.getuid?.() === 0 ? "/var/lib/wharf" : join(homedir(), ".wharf");
}
