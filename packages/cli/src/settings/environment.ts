/** The environment of a process. Only this folder reads the variables of the client. */
export type Environment = Readonly<Record<string, string | undefined>>;
