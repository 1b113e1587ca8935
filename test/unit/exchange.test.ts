import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bursts } from '../../src/worker/burst.js';
import { DescriptorList } from '../../src/worker/connectionTable.js';
import { Exchange, purposes, type EchoUser } from '../../src/worker/exchange.js';
import { Latencies, type RecordAge } from '../../src/worker/latencies.js';
import { Stats } from '../../src/worker/stats.js';

/** An exchange of TCP connections that sends into nothing, and what it counts. */
function exchangeOf(isWebSocket: (fd: number) => boolean = () => false): { exchange: Exchange; stats: Stats } {
  const stats = new Stats({ tcp: true, websocket: true });
  return { exchange: new Exchange({ send: () => 'sent' }, stats, isWebSocket), stats };
}

function openOf(...descriptors: number[]): DescriptorList {
  const open = new DescriptorList(8);
  for (const fd of descriptors) open.add(fd);
  return open;
}

test('echoes that were given up come before those of the next message, and answer nothing', () => {
  const { exchange, stats } = exchangeOf();
  const answered: number[] = [];
  const user: EchoUser = { answered: (_fd, messages) => void answered.push(messages), echoed: () => undefined, freed: () => undefined };
  exchange.enter(purposes.traffic, user, 10);
  exchange.enter(purposes.burst, user, 100);
  exchange.send(5, purposes.burst, 2);
  exchange.giveUp(5);
  exchange.send(5, purposes.traffic, 1);
  exchange.receivedBytes(5, 150);
  assert.deepEqual([answered, exchange.isBusy(5), stats.tcpMessages], [[], true, 0]);
  exchange.receivedBytes(5, 60);
  assert.deepEqual([answered, exchange.isBusy(5), stats.tcpMessages], [[1], false, 1]);
});

test('each message of a burst is planned, and then echoed, lost or unanswered; each is recorded once', () => {
  const { exchange, stats } = exchangeOf((fd) => fd === 7);
  let recorded = 0;
  const latencies = new (class extends Latencies {
    override record(_ageMs: number, messages = 1): void {
      recorded += messages;
    }
  })();
  const done: { messages: number; lost: number }[] = [];
  const bursts = new Bursts(
    exchange,
    openOf(5, 6, 7),
    latencies,
    (fd) => fd === 7,
    (message) => message.type === 'burstDone' && done.push({ messages: message.messages, lost: message.lost }),
  );
  exchange.addObserver(bursts);
  bursts.order({ order: 1, messages: 4, bytes: 10 });
  assert.deepEqual([stats.tcpPlan.planned, stats.websocketPlan.planned], [8, 4]);
  exchange.receivedBytes(5, 25);
  exchange.closed(6, true);
  exchange.receivedMessage(7, 10);
  let pending = 0;
  const count: RecordAge = (_ageMs, messages) => void (pending += messages);
  bursts.addPending(performance.now(), count);
  assert.deepEqual([recorded, pending], [7, 5], '2 and 1 echoed, 4 lost; 2 and 3 under way');
  bursts.stop();
  assert.deepEqual(
    { done, recorded, echoed: [stats.tcpMessages, stats.websocketMessages], tcp: stats.tcpPlan, websocket: stats.websocketPlan },
    { done: [{ messages: 3, lost: 9 }], recorded: 12, echoed: [2, 1], tcp: { planned: 8, lost: 4 }, websocket: { planned: 4, lost: 0 } },
  );
});
