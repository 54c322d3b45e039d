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
  /** Describes for the reader what happened. */
  readonly message: (context: C) => string;
  /** Describes what to do next. */
  readonly next: (context: C) => string;
}
