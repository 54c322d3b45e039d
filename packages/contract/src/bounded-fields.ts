import { z } from "zod";

/**
 * Fields of a daemon's answers and records. Every field that the server keeps has a size limit and,
 * if it has one, a format.
 */

/** Id of a session, permission request, turn or run: these become keys of rows. */
export const RecordId = z.string().min(1).max(200);
/** Id of a tool call, option, mode or model, chosen by an agent. */
export const AgentChosenId = z.string().min(1).max(1_024);
/** A state, a kind or a stop reason: a word or two. */
export const Word = z.string().max(200);
export const Title = z.string().max(8_192);
/** A path, or a name with a mark where it was cut. */
export const PathText = z.string().max(8_192);
/** Text of which a person reads only the beginning. */
export const ShortText = z.string().max(65_536);
/** An event's own text, which the daemon cuts at 256 KiB. */
export const LongText = z.string().max(1_048_576);
export const CommitSha = z.string().regex(/^[0-9a-f]{7,64}$/, "a commit id");
/** Any branch name that git accepts: Wharf does not choose the branches of a repository. */
export const AnyBranchName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\s\p{Cc}~^:?*[\\]+$/u, "a branch name");
/** Epoch of a journal. */
export const JournalEpoch = z.string().regex(/^[\w-]{1,100}$/, "must be an epoch: letters, digits, _ and -");
/** Sequence of a journal record, small enough for exact arithmetic. */
export const Sequence = z.number().int().min(0).max(1e15);
/** Id of a turn, created by the server. */
export const TurnId = z.guid();
export const Timestamp = z.string().max(100);
