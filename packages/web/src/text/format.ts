const units = [
  { limitSeconds: 60, seconds: 1, name: "s" },
  { limitSeconds: 3_600, seconds: 60, name: "m" },
  { limitSeconds: 86_400, seconds: 3_600, name: "h" },
  { limitSeconds: Infinity, seconds: 86_400, name: "d" },
] as const;

/** Formats how long ago a time was, such as `4 m`. */
export function formatAge(time: string, nowMs: number): string {
  const age = Math.max(0, (nowMs - Date.parse(time)) / 1_000);
  const unit = units.find(({ limitSeconds }) => age < limitSeconds) ?? units[3];
  return `${Math.floor(age / unit.seconds)} ${unit.name}`;
}

/** Formats an amount of money; small ones keep two digits that count. */
export function formatCost(dollars: number): string {
  if (dollars >= 0.1 || dollars === 0) return `$${dollars.toFixed(2)}`;
  return dollars < 0.001 ? "<$0.001" : `$${dollars.toFixed(3)}`;
}

/** Returns the part of a repository's address that people call it by, such as `acme/shop`. */
export function formatRepository(url: string): string {
  const parts = url
    .replace(/\.git\/?$/, "")
    .split(/[/:]/)
    .filter(Boolean);
  return /^(?:https?|ssh|git):|@/.test(url) ? parts.slice(-2).join("/") : (parts.at(-1) ?? url);
}
