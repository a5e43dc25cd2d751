/** A client for administration that connects with its first use, and anew once it has been forgotten. */
import type { Admin, Kafka } from 'kafkajs';

export interface AdminClient {
  get(): Promise<Admin>;
  /** What is under way fails; the next use connects anew. */
  forget(): void;
  close(): Promise<void>;
}

export function adminClient(kafka: Kafka): AdminClient {
  let connected: Promise<Admin> | null = null;
  let closed = false;
  const end = async () => {
    const old = connected;
    connected = null;
    await old?.then((one) => one.disconnect()).catch(() => {});
  };
  return {
    async get() {
      // A client that is used after its end connects again, and nobody ends it then.
      if (closed) throw new Error('the connection to Kafka is closed');
      connected ??= (async () => {
        const one = kafka.admin();
        await one.connect();
        return one;
      })();
      try {
        return await connected;
      } catch (error) {
        connected = null;
        throw error;
      }
    },
    forget: () => void end(),
    async close() {
      closed = true;
      await end();
    },
  };
}
