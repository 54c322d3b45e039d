import { z } from "zod";

/** What a package registry speaks. */
export const RegistryKind = z.enum(["npm", "pypi", "go", "cargo", "maven"]);
export type RegistryKind = z.infer<typeof RegistryKind>;

/** A registry that the gateway serves under its name, with a credential that stays outside. */
export const RunnerRegistry = z.object({
  name: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/),
  kind: RegistryKind,
});
export type RunnerRegistry = z.infer<typeof RunnerRegistry>;
