import type { LogLevel, LogLine } from "@wharf/contract";
import { toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

const levelColours: Readonly<Record<LogLevel, keyof Style>> = {
  debug: "dim",
  info: "dim",
  warn: "yellow",
  error: "red",
};

/** Formats a line of a log with its time and its level. */
export const formatLogLine = ({ timestamp, level, message }: LogLine, style: Style): string =>
  `${style.dim(toSingleLine(timestamp, 40))} ${style[levelColours[level]](level.padEnd(5))} ${toSingleLine(message, 1_000)}\n`;
