import { isIP } from "node:net";
import { WharfError } from "@wharf/contract";
import { z } from "zod";

/** Where passkeys are made and used: browsers bind each one to a domain. */
export const PasskeyParty = z.object({ domain: z.string(), origin: z.string() });
export type PasskeyParty = z.infer<typeof PasskeyParty>;

/**
 * Returns where passkeys work if a browser has opened this host, or an error that names a better
 * address. Browsers know passkeys only on encrypted pages and on this machine, under a name.
 */
export function findPasskeyParty(
  host: string,
  publicUrl: URL | undefined,
): PasskeyParty | WharfError<"passkeys_unavailable"> {
  const opened = URL.parse(`http://${host}`);
  const url = publicUrl ?? (opened && isLoopback(opened.hostname) ? toLocalhost(opened) : undefined);
  if (!url || !isSuitable(url)) return new WharfError("passkeys_unavailable", { host });
  if (url.host !== host) return new WharfError("passkeys_unavailable", { host, url: url.origin });
  return { domain: url.hostname, origin: url.origin };
}

const isSuitable = ({ protocol, hostname }: URL): boolean =>
  hostname === "localhost" || (protocol === "https:" && isIP(hostname) === 0 && !hostname.startsWith("["));

const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || (isIP(hostname) === 4 && hostname.startsWith("127."));

function toLocalhost(opened: URL): URL {
  const url = new URL(opened);
  url.hostname = "localhost";
  return url;
}
