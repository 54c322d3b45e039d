import type { SearchResult } from "@wharf/contract";
import { formatAge } from "./numbers.ts";
import { toSafeText, toSingleLine } from "./safe-text.ts";
import type { Style } from "./style.ts";

/** Formats a result with its place above its indented excerpt. */
export function formatSearchResult(result: SearchResult, style: Style): string {
  const { task_id, task_title, kind, seq, state, timestamp } = result;
  const place = kind === "log" ? `log, event ${seq}` : kind;
  const head = [
    style.dim(task_id.slice(0, 8)),
    style.bold(toSingleLine(task_title, 60)),
    place,
    state,
    formatAge(timestamp),
  ];
  return `${head.join("  ")}\n  ${markExcerpt(result, style)}\n`;
}

/** Each part is cleaned by itself, so that no control character moves a mark. */
function markExcerpt({ excerpt, highlights }: SearchResult, style: Style): string {
  const clean = (text: string) => toSafeText(text).replaceAll(/\s+/g, " ");
  let text = "";
  let offset = 0;
  for (const { start, end } of highlights) {
    text += clean(excerpt.slice(offset, start)) + style.yellow(clean(excerpt.slice(Math.max(offset, start), end)));
    offset = Math.max(offset, end);
  }
  return text + clean(excerpt.slice(offset));
}
