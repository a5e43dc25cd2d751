/** Where a process can be made to die, and the switch that kills it there. */

export const writePoints = [
  /** Decided and encoded; the log has not been asked. */
  'before-append',
  /** The events stand; nobody has been told. */
  'after-append',
  /** A person's new data key is committed; what is encrypted under it is not in the log. */
  'after-data-key',
  /** A call with several members is on its way: the server may or may not carry it out. */
  'batch-sent',
  /** One member of a call has been answered, the others have not. */
  'batch-half-answered',
] as const;

export const projectionPoints = [
  'projection-before-compare-and-set',
  'projection-after-compare-and-set',
  'projection-between-statements',
  'projection-before-commit',
  /** Before the next batch is read. */
  'projection-after-commit',
] as const;

export const shutdownPoints = [
  /** Nothing has been closed yet. */
  'shutdown-begun',
  /** New commands are refused, those in flight are being answered. */
  'shutdown-answering',
  /** The projector finishes its batch. */
  'shutdown-projecting',
  /** The connections and then the server are being closed, under commands that took too long. */
  'shutdown-closing',
] as const;

export const killPoints = [...writePoints, ...projectionPoints, ...shutdownPoints] as const;
export type KillPoint = (typeof killPoints)[number];

export interface KillSwitch<P extends string = KillPoint> {
  arm(point: P, nth: number, delayMs: number): void;
  disarm(): void;
  /** Does not come back where it kills. */
  reach(point: P): void;
  /** The same, the armed delay later. */
  reachSoon(point: P): void;
}

export function killSwitch<P extends string = KillPoint>(): KillSwitch<P> {
  let armed: { point: P; left: number; delayMs: number } | null = null;
  function reach(point: P): void {
    if (armed?.point !== point) return;
    armed.left -= 1;
    if (armed.left > 0) return;
    process.kill(process.pid, 'SIGKILL');
    // Some systems deliver it a moment later: nothing may happen until then.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
  return {
    arm(point, nth, delayMs) {
      armed = { point, left: nth, delayMs };
    },
    disarm() {
      armed = null;
    },
    reach,
    reachSoon(point) {
      if (armed?.point !== point) return;
      if (armed.delayMs === 0) setImmediate(reach, point);
      else setTimeout(reach, armed.delayMs, point);
    },
  };
}
