import ipaddr from "ipaddr.js";

const ipv6NetworkBits = 64;

/** Returns the network that one client has: an IPv4 address, or the /64 of an IPv6 address. */
export function getNetwork(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv4) return parsed.toString();
  return parsed
    .toByteArray()
    .slice(0, ipv6NetworkBits / 8)
    .join(".");
}
