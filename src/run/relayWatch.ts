import type { RelayChannel } from '../transport/transport.js';

/** The shortest lease is 10 s: three of these fit. */
const heartbeatMs = 3_000;
const unansweredHeartbeats = 3;

export interface RelayWatch {
  /** Asks for a sign of life now. */
  beat: () => void;
  end: () => void;
}

/**
 * Sends heartbeats, which keep the run on the host alive, and notices a relay that hangs: sockets may stay open for minutes without anybody at the
 * other end. `onHeard` is called with each event and each answer.
 */
export function watchRelay(relay: RelayChannel, onHeard: () => void, onSilent: (why: string) => void): RelayWatch {
  let unanswered = 0;
  const heard = () => {
    unanswered = 0;
    onHeard();
  };
  const beat = () => {
    relay.request((id) => ({ type: 'heartbeat', id })).then(heard, () => undefined);
  };
  const release = relay.onEvent(heard);
  const timer = setInterval(() => {
    if (unanswered < unansweredHeartbeats) {
      unanswered++;
      beat();
    } else onSilent(`It has said nothing for ${(unansweredHeartbeats * heartbeatMs) / 1_000} s.`);
  }, heartbeatMs);
  unanswered++;
  beat();
  return {
    beat,
    end: () => {
      clearInterval(timer);
      release();
    },
  };
}
