/** Timeouts of a request to a model, in ms. */
export interface ModelTimes {
  /** Between two chunks of a request. */
  readonly body: number;
  /** Until the whole request has arrived. */
  readonly wholeBody: number;
  readonly connect: number;
  /** Until the answer begins. */
  readonly firstByte: number;
  /** Between two chunks of an answer. */
  readonly silence: number;
  /** From its beginning to its end. */
  readonly answer: number;
  /** Silence after which the server notifies a person. */
  readonly slow: number;
}

/**
 * A model may think for a long time before it answers: the providers' own clients wait ten minutes.
 * No answer of a provider takes an hour.
 */
export const defaultModelTimes: ModelTimes = {
  body: 60_000,
  wholeBody: 2 * 60_000,
  connect: 15_000,
  firstByte: 10 * 60_000,
  silence: 15 * 60_000,
  answer: 60 * 60_000,
  slow: 60_000,
};
