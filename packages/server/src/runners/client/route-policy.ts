/** What is done about a route of the daemon when its runner is away. */
export interface RoutePolicy {
  /**
   * `always`: asked again after whatever may pass. `unanswered`: only where no answer came; what the daemon answers is its
   * considered word, a failed clone for one. `never`: asked twice it would be done twice.
   */
  readonly retry: "always" | "unanswered" | "never";
  /** `refuse`: an error; `last_known`: the newest answer to the same question, or an error where there is none. */
  readonly away: "refuse" | "last_known";
  /** What a person does about it. */
  readonly next: string;
}

export const again = "Ask again when the runner is back; `wharf doctor` checks the backend.";
