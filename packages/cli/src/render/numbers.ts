/** This file formats times and sizes for people. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

const units = ["B", "kB", "MB", "GB", "TB"] as const;

export function formatSize(bytes: number): string {
  let amount = bytes;
  let unit = 0;
  while (amount >= 1000 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}

export const formatCount = (count: number, noun: string, plural = `${noun}s`): string =>
  `${count} ${count === 1 ? noun : plural}`;

/** Formats the approximate age of a timestamp. */
export function formatAge(timestamp: string, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - Date.parse(timestamp)) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return formatCount(Math.floor(seconds / 86_400), "day") + " ago";
}

/** Formats a time in the future, as seen from now. */
export function formatWait(timestamp: string, nowMs = Date.now()): string {
  const minutes = Math.max(0, Math.ceil((Date.parse(timestamp) - nowMs) / 60_000));
  if (minutes < 60) return `in ${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `in ${hours} h ${minutes % 60} min` : `in ${Math.floor(hours / 24)} days`;
}

/** Formats a number with a comma before each group of three digits. */
export const formatInteger = (value: number): string => Math.round(value).toLocaleString("en-US");

const cents = { minimumFractionDigits: 2, maximumFractionDigits: 2 };
const twoDigits = { minimumSignificantDigits: 2, maximumSignificantDigits: 2 };

/** Formats an amount of money; of less than ten cents, the first two digits that are not zero. */
export const formatDollars = (amount: number): string =>
  `$${amount.toLocaleString("en-US", amount === 0 || amount >= 0.1 ? cents : twoDigits)}`;
