/** One open event stream, as the route that feeds it sees it. */
export interface EventConnection {
  /**
   * Sends text as it is, the status and headers before the first. False: the stream has ended, or was cut
   * because its reader does not keep up.
   */
  send(text: string): boolean;
  /** Ends it cleanly: an event source comes again. */
  end(): void;
  /** Aborts when it has ended, for whatever reason. */
  readonly signal: AbortSignal;
}
