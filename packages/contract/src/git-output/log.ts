import type { GitLogEntry } from "../daemon/git.ts";

const maxBodyCharacters = 8 * 1024; // the body of a longer message is cut

/**
 * Arguments of a log. Each field takes one line, the body last; with `-z` a zero byte separates
 * commits, and no message contains one.
 */
export const logFormat: readonly string[] = [
  "-z",
  "--no-show-signature",
  "--no-notes",
  "--no-mailmap",
  "--encoding=UTF-8",
  "--format=%H%n%P%n%an%n%ae%n%cI%n%s%n%b",
];

export function parseLog(text: string): GitLogEntry[] {
  return text.split("\0").flatMap((record) => {
    const [sha, parents, authorName, authorEmail, committedAt, subject, ...body] = record.split("\n");
    if (subject === undefined || !sha) return [];
    return {
      sha,
      parents: (parents ?? "").split(" ").filter((parent) => parent !== ""),
      author_name: authorName ?? "",
      author_email: authorEmail ?? "",
      at: committedAt ?? "",
      subject,
      body: body.join("\n").trim().slice(0, maxBodyCharacters),
    };
  });
}
