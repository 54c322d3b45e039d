/**
 * The way out to hosts on the allow-lists: a proxy that resolves names, checks addresses, and
 * reports what it refuses.
 */
export { formatTarget, type HostRule } from "./host-policy.ts";
export { HostsProxy, type HostsProxyOptions, sendTunnelError } from "./hosts-proxy.ts";
