type GrpcStatus =
  | "INVALID_ARGUMENT"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "FAILED_PRECONDITION"
  | "RESOURCE_EXHAUSTED"
  | "UNAVAILABLE"
  | "DEADLINE_EXCEEDED"
  | "ABORTED"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNKNOWN";

interface CatalogueEntry<C> {
  readonly http: number;
  readonly grpc: GrpcStatus;
  /** Describes for the reader what happened. */
  readonly message: (context: C) => string;
  /** Describes what to do next. */
  readonly next: (context: C) => string;
}

/** The entries of one area. A code of the area without an entry does not compile. */
export type Catalogue<Contexts> = { readonly [Code in keyof Contexts]: CatalogueEntry<Contexts[Code]> };

/** The context of an error whose sentences name nothing. */
export type NoContext = Record<never, never>;

/** Returns the part of an id that people use. */
export const toShortId = (id: string): string => id.slice(0, 8);
