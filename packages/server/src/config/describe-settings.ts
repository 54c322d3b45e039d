import type { ServerSetting } from "@wharf/contract";
import { z } from "zod";

/** Not settings of Wharf: the environment of any program has them. */
const foreignNames: ReadonlySet<string> = new Set(["HOME", "PATH"]);

/**
 * Settings that hold a secret or may contain one, such as the password in an address. A pull secret
 * is named there and is in the cluster.
 */
const secretName =
  /^(?!WHARF_KUBERNETES_IMAGE_PULL_SECRET$).*(?:_KEY|_SECRET|_TOKEN|_PASSWORD|_COMMAND)$|^DATABASE_URL$/;

/**
 * Describes all settings with their sources. Addresses lose their user and password.
 */
export function describeSettings(
  shape: Readonly<Record<string, z.ZodType>>,
  environment: Readonly<Record<string, string | undefined>>,
): ServerSetting[] {
  return Object.entries(shape)
    .filter(([name]) => !foreignNames.has(name))
    .map(([name, schema]) => {
      const ownValue = environment[name];
      const value = ownValue ?? formatDefault(findDefault(schema));
      const isSecret = secretName.test(name);
      return {
        name,
        source: ownValue === undefined ? ("default" as const) : ("environment" as const),
        is_secret: isSecret,
        ...(!isSecret && value !== "" && { value: withoutLogin(value) }),
      };
    })
    .toSorted((first, second) => (first.name < second.name ? -1 : 1));
}

function findDefault(schema: unknown): unknown {
  if (schema instanceof z.ZodDefault) return schema.def.defaultValue;
  if (schema instanceof z.ZodPipe) return findDefault(schema.in);
  return schema instanceof z.ZodOptional ? findDefault(schema.unwrap()) : undefined;
}

function formatDefault(value: unknown): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

/** Removes the user and the password of addresses in a text. */
const withoutLogin = (text: string): string => text.replaceAll(/(\w:\/\/)[^\s/?#@]*@/g, "$1");
