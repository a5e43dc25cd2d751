/** An engine that is away for a while. */
import type { HealthWatch } from './health-watch.ts';

export interface Away {
  goes(): Promise<void> | void;
  comesBack(): Promise<void> | void;
}

/** It does not come back before every role that needs it says that it is away. */
export async function outage(
  watch: HealthWatch,
  { goes, comesBack }: Away,
  meanwhile: () => Promise<void> = async () => {},
): Promise<void> {
  await goes();
  const { back } = watch.away();
  try {
    await watch.untilTold();
    await meanwhile();
  } finally {
    back();
    await comesBack();
  }
}
