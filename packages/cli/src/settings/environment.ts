/** The variables of a process. Only this folder reads the client's own ones. */
export type Environment = Readonly<Record<string, string | undefined>>;
