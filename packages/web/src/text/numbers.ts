const units = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
] as const;

/** Formats a duration with one digit below ten seconds, such as `3.1 s` or `2 min 5 s`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const [size, unit] = units.find(([unitSize]) => seconds >= unitSize)!;
  return `${Math.floor(seconds / size)} ${unit}`;
}

export function formatSize(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  const power = Math.min(Math.floor(Math.log2(bytes) / 10), 4);
  return `${(bytes / 1_024 ** power).toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}
