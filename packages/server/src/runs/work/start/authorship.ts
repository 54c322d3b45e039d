import { GitUserEmail, GitUserName } from "@wharf/contract";
import { eq } from "drizzle-orm";
import { schema } from "../../../store/index.ts";
import type { RunDeps } from "../../shared/deps.ts";

const { users } = schema;

interface Author {
  readonly author_name: string;
  readonly author_email: string;
}

const wharfEmail = "wharf@localhost";
const neutralAuthor: Author = { author_name: "Wharf", author_email: wharfEmail };

/**
 * Returns the author and committer of a person's commits: the person's account. The account of a
 * laptop's owner has no e-mail address; the server's own identity takes its place.
 */
export async function getAuthor(
  { db, getServerAuthor }: Pick<RunDeps, "db" | "getServerAuthor">,
  userId: string | null,
): Promise<Author> {
  const [user] =
    userId === null
      ? []
      : await db.select({ name: users.username, email: users.email }).from(users).where(eq(users.id, userId));
  const email = GitUserEmail.safeParse(user?.email);
  if (user && email.success && !email.data.endsWith("@localhost"))
    return { author_name: toAuthorName(user.name), author_email: email.data };
  const serverAuthor = await getServerAuthor();
  return serverAuthor ? { author_name: serverAuthor.name, author_email: serverAuthor.email } : neutralAuthor;
}

/** Returns the agent for the trailer of its commits, with an address that belongs to no account. */
export const getCoAuthor = (agentType: string): { name: string; email: string } => ({
  name: toAuthorName(`${agentType} (Wharf)`),
  email: wharfEmail,
});

/** Removes what would end the name in a commit's header. */
function toAuthorName(text: string): string {
  const cleaned = GitUserName.safeParse(text.replace(/[\s<>\p{Cc}]+/gu, " ").slice(0, 100));
  return cleaned.success ? cleaned.data : neutralAuthor.author_name;
}
