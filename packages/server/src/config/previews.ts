import { WharfError } from "@wharf/contract";
import { z } from "zod";

/** The settings of previews. */
export const previewEnvironment = {
  /**
   * A domain for previews, such as `preview.example.net`: each preview has its own name below it.
   * All names below it must lead to this server, with a wildcard certificate. It needs
   * WHARF_PUBLIC_URL, whose scheme and port apply. Use a domain that has nothing else. Without it,
   * only browsers on the server's machine can open previews.
   */
  WHARF_PREVIEW_DOMAIN: z
    .string()
    .toLowerCase()
    .regex(/^(?=.{1,190}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "a domain")
    .optional(),
};

const Environment = z.object(previewEnvironment);

export interface PreviewConfig {
  /** Where previews are for browsers on other machines. */
  readonly previewSite?: { readonly publicUrl: URL; readonly domain: string };
}

export function toPreviewConfig(e: z.output<typeof Environment>, publicUrl: URL | undefined): PreviewConfig {
  const { WHARF_PREVIEW_DOMAIN: domain } = e;
  if (domain === undefined) return {};
  if (!publicUrl) throw createError("it needs WHARF_PUBLIC_URL");
  // A page below the server's own name could set cookies for it.
  if (`.${domain}`.endsWith(`.${publicUrl.hostname}`))
    throw createError(`${domain} is the server's own name, or below it`);
  return { previewSite: { publicUrl, domain } };
}

const createError = (reason: string) => new WharfError("config_invalid", { name: "WHARF_PREVIEW_DOMAIN", reason });
