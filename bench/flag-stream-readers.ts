/** The process of `readStreams`: plain sockets, and no more parsing than finds the id of a message. */
import { connect } from 'node:net';
import { type Ask, machineMs, type Told } from './flag-streams.ts';

const [host, port, path, count] = process.argv.slice(2);
const OPENING_AT_ONCE = 50;
const LOOK_EVERY_MS = 20;
/** What a message of the stream has that tells where the flags stand. */
const ID = /^id: [0-9a-f-]{36}\.(\d{20})$/gm;
const request = `GET ${path} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n\r\n`;

interface Stream {
  positions: number[];
  atMs: number[];
  through: number;
}

function open(): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const stream: Stream = { positions: [], atMs: [], through: 0 };
    let rest = '';
    let isOpen = false;
    const socket = connect(Number(port), host!, () => socket.write(request));
    socket.setNoDelay(true);
    const ended = () => {
      const error = new Error(`a stream ended: ${rest.slice(0, 200)}`);
      if (isOpen) throw error;
      reject(error);
    };
    socket.once('error', ended);
    socket.once('close', ended);
    socket.on('data', (chunk) => {
      const atMs = machineMs();
      rest += chunk.toString('latin1');
      const end = rest.lastIndexOf('\n\n');
      if (end < 0) return;
      for (const [, digits] of rest.slice(0, end).matchAll(ID)) {
        stream.through = Number(digits);
        stream.positions.push(stream.through);
        stream.atMs.push(atMs);
      }
      rest = rest.slice(end + 2);
      if (!isOpen && stream.positions.length > 0) {
        isOpen = true;
        resolve(stream);
      }
    });
  });
}

const streams: Stream[] = [];
while (streams.length < Number(count)) {
  const some = Math.min(OPENING_AT_ONCE, Number(count) - streams.length);
  streams.push(...(await Promise.all(Array.from({ length: some }, open))));
}
process.on('message', async ({ through, withinMs }: Ask) => {
  const untilMs = machineMs() + withinMs;
  while (machineMs() < untilMs && streams.some((stream) => stream.through < through)) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  const told: Told = streams.map(({ positions, atMs }) => ({ positions, atMs }));
  process.send!(told);
  for (const stream of streams) [stream.positions, stream.atMs] = [[], []];
});
process.once('disconnect', () => process.exit(0));
process.send!('open');
