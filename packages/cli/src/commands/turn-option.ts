/** Chooses the changes of one turn. */
export const turnOption = ["--turn <turn>", "changes of one turn: its number, its id, or last"] as const;
