/** Timeouts of a request to a model, in ms. */
export interface ModelTimes {
  /** Between two chunks of a request. */
  readonly body: number;
  readonly connect: number;
  /** Until the answer begins. */
  readonly firstByte: number;
  /** Between two chunks of an answer. */
  readonly silence: number;
  /** Silence after which the server notifies a person. */
  readonly slow: number;
}

/**
 * A model may think for a long time before it answers: the providers' own clients wait ten minutes.
 */
export const defaultModelTimes: ModelTimes = {
  body: 60_000,
  connect: 15_000,
  firstByte: 10 * 60_000,
  silence: 15 * 60_000,
  slow: 60_000,
};
