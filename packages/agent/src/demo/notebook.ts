import { z } from "zod";
import type { Session } from "../session/index.ts";

const Note = z.object({ prompt: z.string(), did: z.string() });
type Note = z.infer<typeof Note>;

const notebooks = new WeakMap<Session, Notebook>();

/**
 * Stores the script's notes on the session's earlier turns, from this process and previous ones.
 */
export class Notebook {
  readonly #session: Session;
  readonly #notes: Note[];

  private constructor(session: Session) {
    this.#session = session;
    this.#notes = session.history.records.flatMap((record) => {
      const note = record.kind === "note" ? Note.safeParse(record.note) : undefined;
      return note?.success ? [note.data] : [];
    });
  }

  static getForSession(session: Session): Notebook {
    const notebook = notebooks.get(session) ?? new Notebook(session);
    notebooks.set(session, notebook);
    return notebook;
  }

  get notes(): readonly Note[] {
    return this.#notes;
  }

  addNote(prompt: string, did: string): void {
    const note = { prompt: prompt.trim().split("\n")[0]?.slice(0, 200) ?? "", did };
    this.#notes.push(note);
    this.#session.history.append({ kind: "note", note });
  }
}
