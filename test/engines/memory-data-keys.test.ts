import { systemRandom } from '../../infra/system-clock.ts';
import { dataKeysContract } from '../contracts/data-keys.ts';
import { fakeClock } from '../support/fake-clock.ts';
import { memoryDataKeys, memoryKeyStore } from './memory-data-keys.ts';

dataKeysContract('the data keys in memory', {
  async open(t) {
    const store = memoryKeyStore();
    const clock = fakeClock();
    const open = () => memoryDataKeys({ store, clock, random: systemRandom });
    const [dataKeys, elsewhere] = [open(), open()];
    t.after(() => {
      dataKeys.stop();
      elsewhere.stop();
    });
    return {
      dataKeys,
      elsewhere,
      clock,
      async copy() {
        const restore = store.copy();
        return async () => restore();
      },
      restart: (epoch) => store.restart(epoch),
    };
  },
});
