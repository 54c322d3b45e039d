import { RegistryKind, RunnerRegistry } from "@wharf/contract";
import { z } from "zod";
import { SecretEntry } from "../secrets/index.ts";

const RegistryEntry = z.strictObject({
  name: RunnerRegistry.shape.name,
  kind: RegistryKind,
  url: z
    .url({ protocol: /^https?$/, error: "an address that begins with http:// or https://" })
    .refine((url) => new URL(url).username === "" && new URL(url).password === "", "an address without a login")
    .refine((url) => new URL(url).search === "" && new URL(url).hash === "", "an address without a query")
    .transform((url) => new URL(url).href.replace(/\/*$/, "/")),
  token: SecretEntry,
  /** With it, the token is sent as a password. */
  username: z
    .string()
    .regex(/^[^:\p{Cc}]+$/u, "a name without colons and line breaks")
    .optional(),
});
export type RegistryEntry = z.infer<typeof RegistryEntry>;

/** The file of `WHARF_REGISTRIES`. */
export const RegistryFile = z
  .strictObject({ registries: z.array(RegistryEntry).max(50) })
  .refine(({ registries }) => new Set(registries.map(({ name }) => name)).size === registries.length, {
    path: ["registries"],
    message: "two registries have the same name",
  })
  .refine(({ registries }) => new Set(getUniqueKinds(registries)).size === getUniqueKinds(registries).length, {
    path: ["registries"],
    message: "a package manager uses one registry: each kind but cargo can occur once",
  });

/** Cargo has several registries, each under its name. */
const getUniqueKinds = (registries: readonly RegistryEntry[]) =>
  registries.map(({ kind }) => kind).filter((kind) => kind !== "cargo");
