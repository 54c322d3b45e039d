/** Whether a pattern matches the whole name; `*` stands for any characters. Takes linear time. */
export function matchesPattern(pattern: string, name: string): boolean {
  const [first = "", ...parts] = pattern.split("*");
  const last = parts.pop();
  if (last === undefined) return name === pattern;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let offset = first.length;
  const end = name.length - last.length;
  for (const part of parts) {
    const found = name.indexOf(part, offset);
    if (found === -1 || found + part.length > end) return false;
    offset = found + part.length;
  }
  return true;
}

/** Whether a run may use a model. Without patterns it may use every model. */
export const isAllowedModel = (patterns: readonly string[] | undefined, name: string | undefined): boolean =>
  patterns === undefined || (name !== undefined && patterns.some((pattern) => matchesPattern(pattern, name)));
