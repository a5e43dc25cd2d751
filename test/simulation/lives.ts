/** Processes that are kept alive: each now and then dies, stops or freezes, and a new life takes its place. */
import type { Process, Scheduler } from './scheduler.ts';

/** What one life of a process does. */
export interface Life {
  /** Until the signal aborts; then it stops in order. */
  run(signal: AbortSignal): Promise<void>;
  /** Closes what the dead process held open, as its host would. */
  crash(): void;
}

export interface Lives {
  /** Ends every life, without another. */
  stop(): Promise<void>;
  /** Lets runs end and start again. */
  restart(): void;
  /** Ends every life, and begins none until the answered function is called. */
  hold(): () => void;
  isHeld(): boolean;
  /** Every life that there is now stands still, and goes on after `ms` as if nothing had been. */
  freeze(ms: number): Promise<void>;
  /** Those that are alive now. */
  processes(): readonly Process[];
  /** Deaths, stops, freezes and thaws so far. */
  disturbances(): number;
  /** Whether all that was to befall them is over. */
  calm(): boolean;
}

export interface LivesOptions {
  /** Names the processes: `<name>0.0` is the first life of the first. */
  readonly name: string;
  readonly count: number;
  /** How many deaths, stops and freezes at most. */
  readonly mishaps: number;
  begin(process: Process): Life;
}

export function keepAlive(scheduler: Scheduler, options: LivesOptions): Lives {
  let mishaps = options.mishaps;
  let disturbances = 0;
  let stopping = false;
  /** Of the dead, too: Node keeps a signal that others are made of until it aborts, with all it leads to. */
  const stops: AbortController[] = [];
  const lives = new Set<{ process: Process; stop: AbortController; crash: () => void }>();
  const holds = new Set<Promise<void>>();

  const live = async (index: number) => {
    for (let life = 0; !stopping; life++) {
      while (holds.size > 0) await Promise.all(holds);
      const process = scheduler.process(`${options.name}${index}.${life}`);
      let died: () => void = () => {};
      const death = new Promise<void>((resolve) => {
        died = resolve;
      });
      const { run, crash } = options.begin(process);
      const self = {
        process,
        stop: new AbortController(),
        crash: () => {
          process.kill();
          crash();
          died();
        },
      };
      lives.add(self);
      stops.push(self.stop);
      await Promise.race([run(self.stop.signal), death]);
      lives.delete(self);
      // A pause, so that another may take over.
      await scheduler.clock.sleep(scheduler.below(3000));
    }
  };
  const fate = async () => {
    while (mishaps > 0 && !stopping) {
      await scheduler.clock.sleep(scheduler.below(1500));
      for (let steps = scheduler.below(30); steps > 0; steps--) await scheduler.turn('fate');
      const victim = [...lives][scheduler.below(Math.max(1, lives.size))];
      if (!victim || stopping) continue;
      disturbances += 1;
      if (scheduler.chance(0.2)) {
        scheduler.note(`${victim.process.name} is told to stop`);
        victim.stop.abort();
      } else if (scheduler.chance(0.5)) {
        victim.crash();
      } else {
        scheduler.note(`${victim.process.name} freezes`);
        victim.process.frozen = true;
        await scheduler.clock.sleep(500 + scheduler.below(4000));
        victim.process.frozen = false;
        disturbances += 1;
        scheduler.note(`${victim.process.name} thaws`);
      }
      mishaps -= 1;
    }
  };
  const restart = () => {
    for (const self of [...lives]) self.crash();
  };
  void fate();
  for (let i = 0; i < options.count; i++) void live(i);
  return {
    async stop() {
      stopping = true;
      for (const self of lives) self.crash();
      for (const stop of stops) stop.abort();
    },
    restart,
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      holds.add(promise);
      restart();
      return () => {
        holds.delete(promise);
        resolve();
      };
    },
    isHeld: () => holds.size > 0,
    async freeze(ms) {
      const frozen = [...lives];
      for (const { process } of frozen) process.frozen = true;
      await scheduler.clock.sleep(ms);
      for (const { process } of frozen) process.frozen = false;
    },
    processes: () => [...lives].map(({ process }) => process),
    disturbances: () => disturbances,
    calm: () => mishaps === 0,
  };
}
