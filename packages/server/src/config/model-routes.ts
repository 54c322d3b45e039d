import { dirname, isAbsolute, resolve } from "node:path";
import { getAddressSetting, getKeySetting, RouteName, WharfError } from "@wharf/contract";
import { z } from "zod";
import {
  CommandLine,
  createCommandEnvironment,
  type ModelRoute,
  type ModelUpstream,
  type SecretPlace,
  variableName,
  VariableNames,
} from "../gateway/index.ts";
import { readJsonFile } from "./read-json-file.ts";
import { parseTime } from "./setting-forms.ts";

const setting = "WHARF_ROUTES";
/** A shorter time would run the command for almost every request. */
const minTtlMs = 30_000;

const time = z.string().transform(parseTime);

const KeyEntry = z
  .strictObject({
    env: variableName.optional(),
    file: z.string().min(1).max(4_096).optional(),
    command: CommandLine.optional(),
    /** How long the output of a command is used. */
    ttl: time.pipe(z.number().min(minTtlMs, "at least 30s")).optional(),
    environment: VariableNames.optional(),
  })
  .refine(({ env, file, command }) => [env, file, command].filter((one) => one !== undefined).length === 1, {
    message: "give one of env, file and command",
  })
  .refine(({ command, ttl, environment }) => command !== undefined || (ttl ?? environment) === undefined, {
    message: "ttl and environment belong to a command",
  });
type KeyEntry = z.output<typeof KeyEntry>;

const UpstreamEntry = z.strictObject({
  base_url: z
    .url({ protocol: /^https?$/, error: "an address that begins with http:// or https://" })
    .refine(isPlainUrl, {
      message: "an address without a user, a query and a fragment",
    }),
  weight: z.number().min(0).max(1_000).default(1),
  key: KeyEntry,
  organizations: z.array(z.string().min(1).max(200)).min(1, "name one, or leave it out").max(1_000).optional(),
  timeout: time.optional(),
});
type UpstreamEntry = z.output<typeof UpstreamEntry>;

const RoutesFile = z.strictObject({
  routes: z.record(
    RouteName,
    z.strictObject({
      api: z.enum(["gemini", "anthropic", "openai"]),
      models: z.array(z.string().min(1).max(200)).min(1, "name one, or leave it out").max(200).optional(),
      upstreams: z.array(UpstreamEntry).min(1, "a route needs an upstream").max(20),
    }),
  ),
});

/** Creates the route of a key in the environment, with one upstream. */
export function createRoute(
  api: ModelRoute["api"],
  { key, baseUrl }: { key: string | undefined; baseUrl: string },
): Record<string, ModelRoute> {
  if (key === undefined) return {};
  const upstream = {
    baseUrl,
    setting: getAddressSetting(api),
    weight: 1,
    key: { kind: "environment" as const, name: getKeySetting(api), value: key },
    organizations: [],
  };
  return { [api]: { api, upstreams: [upstream] } };
}

interface RoutesFileOptions {
  readonly path: string;
  /** The server's environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Reads the file that WHARF_ROUTES names. Its errors quote nothing of the file. */
export function readModelRoutes(options: RoutesFileOptions): Record<string, ModelRoute> {
  const { path } = options;
  const parsed = RoutesFile.safeParse(readJsonFile(path, (reason, cause) => createRoutesError(path, reason, cause)));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw createRoutesError(path, `${formatPath(issue?.path ?? [])}: ${issue?.message ?? "unknown"}`);
  }
  return Object.fromEntries(
    Object.entries(parsed.data.routes).map(([name, { api, models, upstreams }]) => {
      const toOwnUpstream = (entry: UpstreamEntry, index: number) =>
        toUpstream(entry, { ...options, place: `routes.${name}.upstreams[${index}]` });
      return [name, { api, ...(models && { models }), upstreams: upstreams.map(toOwnUpstream) }];
    }),
  );
}

const createRoutesError = (path: string, reason: string, cause?: unknown): WharfError =>
  new WharfError("config_invalid", { name: setting, reason: `${path}: ${reason}` }, { cause });

const formatPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>(
    (text, part) => (typeof part === "number" ? `${text}[${part}]` : `${text}${text && "."}${String(part)}`),
    "",
  ) || "the file";

function isPlainUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return `${username}${password}${search}${hash}` === "";
}

interface Place extends RoutesFileOptions {
  readonly place: string;
}

function toUpstream(entry: UpstreamEntry, at: Place): ModelUpstream {
  const { base_url: baseUrl, weight, key, organizations = [], timeout: timeoutMs } = entry;
  return {
    baseUrl,
    setting: `the base_url of ${at.place} in ${at.path}`,
    weight,
    key: toKey(key, { ...at, place: `${at.place}.key` }),
    organizations,
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
}

const defaultTtlMs = 15 * 60_000;

function toKey({ env, file, command, ttl, environment: names = [] }: KeyEntry, at: Place): SecretPlace {
  const { environment, path } = at;
  if (file !== undefined) return { kind: "file", path: isAbsolute(file) ? file : resolve(dirname(path), file) };
  if (env !== undefined) return { kind: "environment", name: env, value: requireVariable(env, `${at.place}.env`, at) };
  const [program = "", ...args] = command ?? [];
  for (const [index, name] of names.entries()) requireVariable(name, `${at.place}.environment[${index}]`, at);
  return {
    kind: "command",
    program,
    args,
    environment: createCommandEnvironment(environment, names),
    ttlMs: ttl ?? defaultTtlMs,
  };
}

function requireVariable(name: string, place: string, { path, environment }: Place): string {
  const value = environment[name];
  if (value) return value;
  throw createRoutesError(path, `${place}: set ${name} in the server's environment, or remove it here`);
}
