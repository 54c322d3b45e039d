import { z } from "zod";

/** Parts of a daemon's answers and records. Whatever the server keeps of them has a bound and, where it has one, a form. */

/** Of a session, a permission request, a turn, a run: they become keys of rows. */
export const RecordId = z.string().min(1).max(200);
/** Of a tool call, an option, a mode, a model: an agent chose it. */
export const AgentChosenId = z.string().min(1).max(1_024);
/** A state, a kind, a reason to stop: a word or two. */
export const Word = z.string().max(200);
export const Title = z.string().max(8_192);
/** A path, or a name with the mark of where it was cut. */
export const PathText = z.string().max(8_192);
/** Texts of which a person reads the beginning. */
export const ShortText = z.string().max(65_536);
/** An event's own text: the daemon cuts it at 256 KiB. */
export const LongText = z.string().max(1_048_576);
export const CommitSha = z.string().regex(/^[0-9a-f]{7,64}$/, "a commit's id");
/** Any name that git takes: a repository has the branches it has. */
export const AnyBranchName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[^\s\p{Cc}~^:?*[\\]+$/u, "a branch's name");
/** Of a journal. */
export const JournalEpoch = z.string().regex(/^[\w-]{1,100}$/, "an epoch of letters and digits");
/** Of a journal's record: small enough to be counted on. */
export const Sequence = z.number().int().min(0).max(1e15);
/** Of a turn: the server made it. */
export const TurnId = z.guid();
export const Timestamp = z.string().max(100);
