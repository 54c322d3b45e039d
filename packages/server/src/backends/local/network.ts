import { findOnPath } from "./programs.ts";

/**
 * In a network namespace that bubblewrap creates, an ordinary user cannot listen on the ports of
 * names (53) and the web (80, 443). A namespace that belongs to a user namespace around the sandbox
 * can be prepared for that first; processes inside have no right over it.
 */
const prepare = 'ip link set lo up && echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start && unset PWD && exec "$@"';

/**
 * Returns the start of a command that runs the rest in a prepared network namespace, or undefined
 * if this machine lacks a program for it.
 */
export function findNetworkPreparation(searchPath: string): readonly string[] | undefined {
  const unshare = findOnPath("unshare", searchPath);
  const ip = findOnPath("ip", `${searchPath}:/usr/sbin:/sbin`);
  if (unshare === undefined || ip === undefined) return undefined;
  const script = prepare.replace("ip ", `${ip} `);
  return [unshare, "--user", "--map-root-user", "--net", "--", "/bin/sh", "-c", script, "sh"];
}
