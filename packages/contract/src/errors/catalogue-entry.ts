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

export interface CatalogueEntry<C> {
  readonly http: number;
  readonly grpc: GrpcStatus;
  /** What happened, for the person who reads it. */
  readonly message: (context: C) => string;
  /** What to do next. */
  readonly next: (context: C) => string;
}
