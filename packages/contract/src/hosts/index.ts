/** The hosts that runners may reach: names, patterns and presets of allow-lists. */
export { parseHostName } from "./host-name.ts";
export { getHostPatterns, type HostPattern, matchesHost, parseHostPattern } from "./host-pattern.ts";
export { type HostPreset, hostPresets, isHostPreset } from "./host-presets.ts";
