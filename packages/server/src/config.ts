import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { WharfError } from "@wharf/contract";
import { z } from "zod";

const port = z.coerce.number().int().min(0).max(65_535);
const flag = z.enum(["", "0", "1", "true", "false"]).transform((text) => text === "1" || text === "true");
const list = z.string().transform((text) =>
  text
    .split(",")
    .map((one) => one.trim())
    .filter(Boolean),
);

const backends = z.enum(["local", "mock"]);

/** Every setting there is, by the name of its environment variable. */
const Environment = z.object({
  /** Where everything is kept: database, runners, mirrors, the owner's token. */
  WHARF_DATA: z.string().min(1).optional(),
  WHARF_HOST: z.string().min(1).default("127.0.0.1"),
  WHARF_PORT: port.default(4000),
  /** Names besides its own address that requests may come under. */
  WHARF_ALLOWED_HOSTS: list.default([]),
  /** Runs at work at once. */
  WHARF_MAX_RUNS: z.coerce.number().int().min(1).max(10_000).default(8),
  /** Where runners live. */
  WHARF_BACKEND: backends.optional(),
  /** The same by an older name; `remote` says that WHARF_BACKEND names which. */
  AGENT_MODE: z.enum(["local", "remote", "mock"]).optional(),
  /** Let a part of what is asked of mock runners fail. */
  WHARF_MOCK_FAILURES: flag.default(false),
  /** Give real model keys to runs even where no sandbox can be made. */
  WHARF_LOCAL_UNSAFE: flag.default(false),
  /** A PostgreSQL server to use instead of one of Wharf's own. */
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "an address that begins with postgresql://")
    .optional(),
  MAX_REPO_SIZE_MB: z.coerce.number().int().min(1).default(500),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
  GEMINI_API_KEY: z.string().min(1).optional(),
  GEMINI_BASE_URL: z.url().default("https://generativelanguage.googleapis.com"),
  ANTHROPIC_API_KEY: z.string().min(1).optional(),
  ANTHROPIC_BASE_URL: z.url().default("https://api.anthropic.com"),
  OPENAI_API_KEY: z.string().min(1).optional(),
  /** Without a version: the agent asks for `/v1/…` itself. */
  OPENAI_BASE_URL: z.url().default("https://api.openai.com"),
  PATH: z.string().default("/usr/local/bin:/usr/bin:/bin"),
});

export interface ModelRouteConfig {
  readonly api: "gemini" | "anthropic" | "openai";
  readonly base_url: string;
  readonly key: string;
}

export interface Config {
  readonly dataFolder: string;
  readonly host: string;
  readonly port: number;
  readonly allowedHosts: readonly string[];
  readonly maxRuns: number;
  readonly backend: z.infer<typeof backends>;
  readonly mockFailures: boolean;
  readonly localUnsafe: boolean;
  readonly databaseUrl?: string;
  readonly maxRepositoryMb: number;
  readonly logLevel: string;
  readonly modelRoutes: Readonly<Record<string, ModelRouteConfig>>;
  /** Where agents' programs are looked for. */
  readonly searchPath: string;
}

/** The one reader of the environment. */
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
  return {
    dataFolder: resolve(e.WHARF_DATA ?? defaultDataFolder()),
    host: e.WHARF_HOST,
    port: e.WHARF_PORT,
    allowedHosts: e.WHARF_ALLOWED_HOSTS,
    maxRuns: e.WHARF_MAX_RUNS,
    backend: backendOf(e),
    mockFailures: e.WHARF_MOCK_FAILURES,
    localUnsafe: e.WHARF_LOCAL_UNSAFE,
    ...(e.DATABASE_URL && { databaseUrl: e.DATABASE_URL }),
    maxRepositoryMb: e.MAX_REPO_SIZE_MB,
    logLevel: e.LOG_LEVEL,
    modelRoutes: {
      ...(e.GEMINI_API_KEY && {
        gemini: { api: "gemini" as const, base_url: e.GEMINI_BASE_URL, key: e.GEMINI_API_KEY },
      }),
      ...(e.ANTHROPIC_API_KEY && {
        anthropic: { api: "anthropic" as const, base_url: e.ANTHROPIC_BASE_URL, key: e.ANTHROPIC_API_KEY },
      }),
      ...(e.OPENAI_API_KEY && {
        openai: { api: "openai" as const, base_url: e.OPENAI_BASE_URL, key: e.OPENAI_API_KEY },
      }),
    },
    searchPath: e.PATH,
  };
}

function backendOf({
  WHARF_BACKEND: named,
  AGENT_MODE: mode = "local",
}: z.infer<typeof Environment>): Config["backend"] {
  if (named) return named;
  if (mode !== "remote") return mode;
  const reason = `it leaves open which backend: set WHARF_BACKEND to one of ${backends.options.join(", ")}`;
  throw new WharfError("config_invalid", { name: "AGENT_MODE", reason });
}

/** PostgreSQL does not run as root, and the user it runs as then cannot look into root's home. */
function defaultDataFolder(): string {
  return process.getuid?.() === 0 ? "/var/lib/wharf" : join(homedir(), ".wharf");
}
