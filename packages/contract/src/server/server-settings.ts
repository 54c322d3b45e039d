import { z } from "zod";
import { createEndpoint } from "../endpoint.ts";

/** A setting with which the server started. */
export const ServerSetting = z.object({
  name: z.string(),
  source: z.enum(["environment", "default"]),
  is_secret: z.boolean().describe("whether the setting may hold a secret, so that its value is not shown"),
  value: z.string().optional().describe("absent without a value, and if the value is not shown"),
});
export type ServerSetting = z.infer<typeof ServerSetting>;

/** A server of a model route. */
const ModelUpstreamView = z.object({
  origin: z.string(),
  key: z.string().describe("where the key comes from; never the key itself"),
  weight: z.number().describe("the upstream's share of the runs"),
  organizations: z.array(z.string()).describe("the only organizations that use it; all if there are none"),
});

export const ModelRouteView = z.object({
  name: z.string(),
  api: z.enum(["gemini", "anthropic", "openai"]),
  models: z.array(z.string()).optional().describe("patterns of the models that runs may use; all if absent"),
  upstreams: z.array(ModelUpstreamView),
});
export type ModelRouteView = z.infer<typeof ModelRouteView>;

/** What the tokens of some models cost now, in US dollars per million tokens. */
export const ModelPrice = z.object({
  models: z.array(z.string()).describe("names of models; one that ends with `*` stands for all with that beginning"),
  source: z.enum(["setting", "published"]).describe("`setting`: the file of `WHARF_PRICES`, which comes first"),
  api: z.enum(["gemini", "anthropic", "openai"]).optional(),
  route: z.string().optional(),
  input: z.number(),
  cached: z.number().optional(),
  cache_write: z.number().optional(),
  output: z.number(),
});
export type ModelPrice = z.infer<typeof ModelPrice>;

/** What the server was started with. */
export const serverSettingsApi = {
  listServerSettings: createEndpoint({
    needs: "server:admin",
    method: "GET",
    path: "/api/v1/server/settings",
    summary: "List the server's settings with their sources. Values that may be secrets are not shown",
    response: z.object({ settings: z.array(ServerSetting) }),
  }),
  listModelRoutes: createEndpoint({
    needs: "server:admin",
    method: "GET",
    path: "/api/v1/server/model-routes",
    summary: "List the model routes without their keys, and the prices of models that are valid now",
    response: z.object({ routes: z.array(ModelRouteView), prices: z.array(ModelPrice) }),
  }),
} as const;
