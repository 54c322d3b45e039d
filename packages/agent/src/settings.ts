import { homedir } from "node:os";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { z } from "zod";

export const Provider = z.enum(["gemini", "anthropic", "openai"]);
export type Provider = z.infer<typeof Provider>;

export interface ModelSettings {
  readonly provider: Provider;
  readonly model: string;
  /** The URL excludes the API's own path, for example `http://127.0.0.1:4100/models/gemini`. */
  readonly baseUrl: string;
  readonly token: string;
}

const defaultGateway = "http://127.0.0.1:4100";
const defaultModels: Record<Provider, string> = {
  gemini: "gemini-2.5-pro",
  anthropic: "claude-sonnet-4-5",
  openai: "gpt-5.1",
};

/** Returns the gateway's address and the token of this run. */
export const getGateway = (environment: NodeJS.ProcessEnv): { url: string; token: string } => ({
  url: (environment["WHARF_GATEWAY"] || defaultGateway).replace(/\/+$/, ""),
  token: environment["WHARF_TOKEN"] ?? "",
});

/**
 * Reads the model settings from WHARF_MODEL_PROVIDER, WHARF_MODEL, WHARF_MODEL_BASE_URL and
 * WHARF_TOKEN.
 */
export function getModelSettings(environment: NodeJS.ProcessEnv): ModelSettings {
  const providerName = environment["WHARF_MODEL_PROVIDER"];
  const provider = Provider.safeParse(providerName);
  if (!provider.success) {
    const reason = providerName ? `'${providerName}' is not one of ${Provider.options.join(", ")}` : "it is not set";
    throw new WharfError("config_invalid", { name: "WHARF_MODEL_PROVIDER", reason });
  }
  const { url, token } = getGateway(environment);
  if (!token) throw new WharfError("config_invalid", { name: "WHARF_TOKEN", reason: "it is not set" });
  const baseUrl = (environment["WHARF_MODEL_BASE_URL"] || `${url}/models/${provider.data}`).replace(/\/+$/, "");
  if (!URL.canParse(baseUrl))
    throw new WharfError("config_invalid", { name: "WHARF_MODEL_BASE_URL", reason: `'${baseUrl}' is not a URL` });
  return { provider: provider.data, model: environment["WHARF_MODEL"] || defaultModels[provider.data], baseUrl, token };
}

/** Returns the folder of the sessions, from which a later process can load them. */
export const getSessionFolder = (environment: NodeJS.ProcessEnv): string =>
  join(environment["HOME"] ?? homedir(), ".wharf-agent", "sessions");
